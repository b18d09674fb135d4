-- name: live_without_stream
-- What this side has whose changes no stream carries (rule 21): it came while the move was going on.
-- columns: object
SELECT CASE c.relkind
            WHEN 'm' THEN pg_catalog.format('materialized view %I.%I: drop it on both sides, and make it again at home'
                                            ' after the move', n.nspname, c.relname)
            ELSE pg_catalog.format('unlogged table %s: ALTER TABLE ... SET LOGGED on both sides, then `homeport'
                                   ' move --resync %s`', q.name,
                                   -- As one word of a command that a shell is given.
                                   CASE WHEN q.name ~ '^[A-Za-z0-9_.=-]+$' THEN q.name
                                        ELSE '''' || pg_catalog.replace(q.name, '''', '''\''''') || '''' END)
       END
  FROM pg_catalog.pg_class AS c
  JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
       CROSS JOIN LATERAL (SELECT pg_catalog.format('%I.%I', n.nspname, c.relname)) AS q (name)
 WHERE (c.relkind = 'r' AND c.relpersistence = 'u' OR c.relkind = 'm' AND c.relispopulated)
   AND n.nspname !~ '^pg_'
   AND n.nspname NOT IN ('information_schema', 'homeport')
   AND NOT (n.nspname IN ('neon', 'neon_utils', 'neon_migration')
            AND pg_catalog.pg_get_userbyid(n.nspowner) IN ('cloud_admin', 'neon_superuser', 'neon_service'))
   AND NOT EXISTS (SELECT
                     FROM pg_catalog.pg_depend AS d
                    WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
                      AND d.objid = c.oid
                      AND d.deptype = 'e')
UNION ALL
SELECT pg_catalog.format('large object %s: keep its bytes in a column of type bytea, or abort, and move with --once',
                         pg_catalog.min(l.oid))
  FROM pg_catalog.pg_largeobject_metadata AS l
HAVING pg_catalog.count(*) > 0
 ORDER BY 1
