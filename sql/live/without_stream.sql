-- name: live_without_stream
-- What this side has whose changes no stream carries (rule 21): it came while the move was going on.
-- columns: object
SELECT CASE c.relkind WHEN 'm' THEN 'materialized view ' ELSE 'unlogged table ' END
           || pg_catalog.format('%I.%I', n.nspname, c.relname)
  FROM pg_catalog.pg_class AS c
  JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
 WHERE (c.relkind = 'r' AND c.relpersistence = 'u' OR c.relkind = 'm' AND c.relispopulated)
   AND n.nspname !~ '^pg_'
   AND n.nspname NOT IN ('information_schema', 'homeport', 'neon', 'neon_utils', 'neon_migration')
   AND NOT EXISTS (SELECT
                     FROM pg_catalog.pg_depend AS d
                    WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
                      AND d.objid = c.oid
                      AND d.deptype = 'e')
UNION ALL
SELECT 'large object ' || pg_catalog.min(l.oid)
  FROM pg_catalog.pg_largeobject_metadata AS l
HAVING pg_catalog.count(*) > 0
 ORDER BY 1
