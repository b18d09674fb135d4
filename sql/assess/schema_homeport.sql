-- name: assess_schema_homeport
-- What is in the schema homeport and not homeport's: there it would be left behind, and dropped with
-- the schema at the end. Where the schema is no move's yet, it is the owner's as a whole.
-- columns: object, fix
WITH thing (class, object, name, namespace) AS (
    SELECT 'pg_catalog.pg_class'::regclass, c.oid, c.relname, c.relnamespace
      FROM pg_catalog.pg_class AS c
     WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')
        OR (c.relkind = 'S'
            AND NOT EXISTS (
                    SELECT
                      FROM pg_catalog.pg_depend AS d
                     WHERE d.classid = 'pg_catalog.pg_class'::regclass
                       AND d.objid = c.oid
                       AND d.deptype IN ('a', 'i')))
    UNION ALL
    SELECT 'pg_catalog.pg_proc'::regclass, p.oid, p.proname, p.pronamespace
      FROM pg_catalog.pg_proc AS p
    UNION ALL
    SELECT 'pg_catalog.pg_type'::regclass, t.oid, t.typname, t.typnamespace
      FROM pg_catalog.pg_type AS t
           LEFT JOIN pg_catalog.pg_class AS r ON r.oid = t.typrelid
     WHERE t.typtype IN ('d', 'e', 'r') OR r.relkind = 'c'
)
SELECT CASE WHEN i.type IN ('table', 'partitioned table') THEN i.identity
            ELSE concat_ws(' ', i.type, i.identity) END AS object,
       CASE WHEN pg_catalog.obj_description(n.oid, 'pg_namespace') ~ '^homeport: state of move '
            THEN format('ALTER %s %s SET SCHEMA public;', i.type, i.identity)
            ELSE 'ALTER SCHEMA homeport RENAME TO homeport_app;' END AS fix
  FROM pg_catalog.pg_namespace AS n
  JOIN thing AS t ON t.namespace = n.oid
 CROSS JOIN LATERAL pg_identify_object(t.class, t.object, 0) AS i
 WHERE n.nspname = 'homeport'
   AND (i.type, t.name) NOT IN (
           ('table', 'move'), ('table', 'finished_part'), ('table', 'finished_entry'), ('table', 'default_acl'),
           ('table', 'no_crash'), ('table', 'fence_setting'), ('table', 'progress'), ('function', 'fence'))
 ORDER BY t.class = 'pg_catalog.pg_class'::regclass DESC, 1
