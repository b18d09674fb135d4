-- name: assess_table_identity_full
-- Tables with REPLICA IDENTITY FULL: each change carries and compares the whole row, and is applied
-- alone and in order.
-- $1 text[]  schemas to leave out
-- columns: object, fix
SELECT format('%I.%I', n.nspname, c.relname) AS object,
       CASE WHEN EXISTS (SELECT FROM pg_catalog.pg_index AS i
                          WHERE i.indrelid = c.oid AND i.indisprimary AND i.indimmediate)
            THEN format('ALTER TABLE %I.%I REPLICA IDENTITY DEFAULT;', n.nspname, c.relname)
            ELSE format('ALTER TABLE %I.%I ADD PRIMARY KEY (...); ALTER TABLE %1$I.%2$I REPLICA IDENTITY DEFAULT;',
                        n.nspname, c.relname)
       END AS fix
  FROM pg_catalog.pg_class AS c
  JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
 WHERE c.relkind = 'r'
   AND c.relpersistence = 'p'
   AND c.relreplident = 'f'
   AND n.nspname <> ALL ($1::text[])
   AND NOT EXISTS (
           SELECT
             FROM pg_catalog.pg_depend AS e
             JOIN pg_catalog.pg_extension AS x ON x.oid = e.refobjid
            WHERE e.classid = 'pg_catalog.pg_class'::regclass AND e.objid = c.oid
              AND e.refclassid = 'pg_catalog.pg_extension'::regclass
              AND e.deptype = 'e'
              AND c.oid <> ALL (coalesce(x.extconfig, '{}')))
 ORDER BY 1
