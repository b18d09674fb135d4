-- name: assess_extension_preload
-- Extensions that cannot be created, or do nothing, unless the target's server loads their library
-- at its start.
-- $1 jsonb  the source's extensions (facts_extensions)
-- columns: object, fix
SELECT format('%I', e.name) AS object,
       format('ALTER SYSTEM SET shared_preload_libraries = %s;  -- then restart the server',
              concat_ws(', ', nullif(p.loaded, ''), e.name)) AS fix
  FROM jsonb_to_recordset($1::jsonb) AS e (name text, version text)
       CROSS JOIN (SELECT (SELECT s.setting FROM pg_catalog.pg_settings AS s
                                     WHERE s.name = 'shared_preload_libraries') AS loaded) AS p
 WHERE e.name IN ('pg_cron', 'timescaledb', 'pgaudit', 'citus', 'pg_stat_statements', 'pg_squeeze')
   AND EXISTS (SELECT FROM pg_catalog.pg_available_extensions AS a WHERE a.name = e.name)
   AND p.loaded IS NOT NULL
   AND e.name <> ALL (regexp_split_to_array(replace(p.loaded, '"', ''), '\s*,\s*'))
 ORDER BY e.name
