-- name: assess_security_label
-- Providers of security labels: the target's server must load them before labels can be set.
-- columns: object, fix
SELECT format('%s (%s labels)', l.provider, count(*)) AS object,
       format('-- load the library of %s (shared_preload_libraries), or drop the labels on the source',
              l.provider) AS fix
  FROM pg_catalog.pg_seclabels AS l
 WHERE l.objtype NOT IN ('role', 'database', 'tablespace')
 GROUP BY l.provider
 ORDER BY 1
