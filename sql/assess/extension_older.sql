-- name: assess_extension_older
-- Extensions that the target would have in an older version than the source: the one that is
-- installed there, else the one that CREATE EXTENSION gives. Versions are compared number by number.
-- $1 jsonb  the source's extensions (facts_extensions)
-- columns: object, fix
SELECT format('%I: source %s, target %s', e.name, e.version, t.version) AS object,
       CASE WHEN t.installed AND t.newest >= v.source
            THEN format('ALTER EXTENSION %I UPDATE TO %L;', e.name, e.version)
            ELSE format('-- upgrade the package of %s to one with version %s or newer',
                        e.name, e.version)
       END AS fix
  FROM jsonb_to_recordset($1::jsonb) AS e (name text, version text)
  JOIN LATERAL (
           SELECT coalesce(x.extversion, a.default_version) AS version,
                  x.extversion IS NOT NULL AS installed,
                  (SELECT max(regexp_split_to_array(trim(BOTH '.' FROM regexp_replace(o.version, '[^0-9]+', '.', 'g')), '\.')::numeric[])
                     FROM pg_catalog.pg_available_extension_versions AS o
                    WHERE o.name = e.name AND o.version ~ '[0-9]') AS newest
             FROM (SELECT 1) AS one
                  LEFT JOIN pg_catalog.pg_extension AS x ON x.extname = e.name
                  LEFT JOIN pg_catalog.pg_available_extensions AS a ON a.name = e.name
       ) AS t ON t.version ~ '[0-9]' AND e.version ~ '[0-9]'
       CROSS JOIN LATERAL (
           SELECT regexp_split_to_array(trim(BOTH '.' FROM regexp_replace(e.version, '[^0-9]+', '.', 'g')), '\.')::numeric[] AS source,
                  regexp_split_to_array(trim(BOTH '.' FROM regexp_replace(t.version, '[^0-9]+', '.', 'g')), '\.')::numeric[] AS target) AS v
 WHERE v.target < v.source
 ORDER BY e.name
