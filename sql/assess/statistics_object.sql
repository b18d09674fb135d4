-- name: assess_statistics_object
-- Extended statistics: their definitions arrive, what was gathered does not.
-- $1 text[]  schemas to leave out
-- columns: object, fix
SELECT format('%I.%I', n.nspname, s.stxname) AS object, NULL AS fix
  FROM pg_catalog.pg_statistic_ext AS s
  JOIN pg_catalog.pg_namespace AS n ON n.oid = s.stxnamespace
 WHERE n.nspname <> ALL ($1::text[])
 ORDER BY 1
