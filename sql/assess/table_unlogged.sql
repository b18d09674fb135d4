-- name: assess_table_unlogged
-- Unlogged tables and sequences: their changes are not in the WAL, so no stream carries them.
-- $1 text[]  schemas to leave out
-- columns: object, fix
SELECT format('%I.%I', n.nspname, c.relname) AS object,
       format('ALTER %s %I.%I SET LOGGED;', CASE c.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END,
              n.nspname, c.relname) AS fix
  FROM pg_catalog.pg_class AS c
  JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'S')
   AND c.relpersistence = 'u'
   AND n.nspname <> ALL ($1::text[])
   AND NOT EXISTS (
           SELECT
             FROM pg_catalog.pg_depend AS e
             JOIN pg_catalog.pg_extension AS x ON x.oid = e.refobjid
            WHERE e.classid = 'pg_catalog.pg_class'::regclass AND e.objid = c.oid
              AND e.refclassid = 'pg_catalog.pg_extension'::regclass
              AND e.deptype = 'e'
              AND c.oid <> ALL (coalesce(x.extconfig, '{}')))
   AND NOT EXISTS (
           SELECT
             FROM pg_catalog.pg_depend AS s
             JOIN pg_catalog.pg_class AS t ON t.oid = s.refobjid AND t.relpersistence = 'u'
            WHERE c.relkind = 'S'
              AND s.classid = 'pg_catalog.pg_class'::regclass AND s.objid = c.oid
              AND s.refclassid = 'pg_catalog.pg_class'::regclass
              AND s.deptype IN ('a', 'i'))
 ORDER BY 1
