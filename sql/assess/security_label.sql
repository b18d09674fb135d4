-- name: assess_security_label
-- Providers of security labels: the target's server must load them before labels can be set.
-- columns: object, fix
SELECT format('%s (%s %s)', l.provider, to_char(count(*), 'FM999,999,999,999'),
              CASE count(*) WHEN 1 THEN 'label' ELSE 'labels' END) AS object,
       format('-- load the library of %s (shared_preload_libraries), or drop the labels on the source',
              l.provider) AS fix
  FROM pg_catalog.pg_seclabels AS l
 WHERE l.objtype NOT IN ('role', 'database', 'tablespace')
 GROUP BY l.provider
 ORDER BY 1
