-- name: verify_matviews
-- Whether each materialised view has content, which its definition does not tell.
-- columns: object, state
SELECT pg_catalog.format('MATERIALIZED VIEW %I.%I', n.nspname, c.relname),
       CASE WHEN c.relispopulated THEN 'populated' ELSE 'not populated' END
  FROM pg_catalog.pg_class AS c
  JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
 WHERE c.relkind = 'm'
   AND n.nspname !~ '^pg_'
   AND n.nspname NOT IN ('information_schema', 'homeport')
   AND NOT (n.nspname IN ('neon', 'neon_utils', 'neon_migration')
            AND pg_catalog.pg_get_userbyid(n.nspowner) IN ('cloud_admin', 'neon_superuser', 'neon_service'))
 ORDER BY pg_catalog.format('MATERIALIZED VIEW %I.%I', n.nspname, c.relname) COLLATE "C"
