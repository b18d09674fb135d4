-- name: assess_collation_version
-- The database was made under another version of the collation library than the one that the
-- server runs with now: indexes over text may be out of order. No row before PostgreSQL 15, which
-- does not keep the version.
-- columns: object, fix
SELECT format('%s: made with %s, now %s', d.datname, v.made, v.actual) AS object,
       format(E'REINDEX DATABASE %I;\nALTER DATABASE %I REFRESH COLLATION VERSION;',
              d.datname, d.datname) AS fix
  FROM pg_catalog.pg_database AS d
       CROSS JOIN LATERAL (
           SELECT to_jsonb(d) ->> 'datcollversion' AS made,
                  (SELECT c.actual
                     FROM (SELECT pg_collation_actual_version(l.oid) AS actual
                             FROM pg_catalog.pg_collation AS l
                            WHERE l.collnamespace = 'pg_catalog'::regnamespace
                              AND l.collprovider = to_jsonb(d) ->> 'datlocprovider'
                              AND CASE l.collprovider
                                       WHEN 'c' THEN replace(lower(l.collcollate::text), '-', '')
                                                = replace(lower(d.datcollate::text), '-', '')
                                       ELSE coalesce(to_jsonb(l) ->> 'colllocale',
                                                     to_jsonb(l) ->> 'colliculocale')
                                            = coalesce(to_jsonb(d) ->> 'datlocale',
                                                       to_jsonb(d) ->> 'daticulocale')
                                  END) AS c
                    WHERE c.actual IS NOT NULL
                    LIMIT 1) AS actual) AS v
 WHERE d.datname = current_database()
   AND v.made <> v.actual
