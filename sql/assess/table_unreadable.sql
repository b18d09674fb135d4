-- name: assess_table_unreadable
-- Tables, sequences and large objects that this role may not read.
-- $1 text[]  schemas to leave out
-- columns: object, fix
SELECT format('%I.%I', n.nspname, c.relname) AS object,
       format('GRANT SELECT ON %s %I.%I TO %I;',
              CASE c.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END,
              n.nspname, c.relname, current_user) AS fix
  FROM pg_catalog.pg_class AS c
  JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p', 'S', 'm')
   AND c.relpersistence <> 't'
   AND NOT CASE c.relkind WHEN 'S' THEN has_sequence_privilege(c.oid, 'SELECT')
                          ELSE has_table_privilege(c.oid, 'SELECT') END
   AND n.nspname <> ALL ($1::text[])
   AND (NOT EXISTS (
            SELECT
              FROM pg_catalog.pg_depend AS e
             WHERE e.classid = 'pg_catalog.pg_class'::regclass AND e.objid = c.oid
               AND e.deptype = 'e')
        OR EXISTS (SELECT FROM pg_catalog.pg_extension AS x WHERE c.oid = ANY (x.extconfig)))
UNION ALL
SELECT min(format('LARGE OBJECT %s', l.oid)) || ' and others of its owner',
       format('GRANT %I TO %I;', l.lomowner::regrole, current_user)
  FROM pg_catalog.pg_largeobject_metadata AS l
 WHERE NOT pg_has_role(l.lomowner, 'USAGE')
   AND NOT EXISTS (
           SELECT
             FROM aclexplode(l.lomacl) AS x
            WHERE x.privilege_type = 'SELECT'
              AND (x.grantee = 0 OR pg_has_role(x.grantee, 'USAGE')))
 GROUP BY l.lomowner
 ORDER BY 1
