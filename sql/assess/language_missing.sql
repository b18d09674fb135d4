-- name: assess_language_missing
-- Languages of the source's functions that the target lacks and cannot get by CREATE EXTENSION.
-- $1 jsonb  the languages (facts_languages)
-- columns: object, fix
SELECT format('%I', s.name) AS object,
       CASE WHEN s.name = 'plpgsql' THEN 'CREATE EXTENSION plpgsql;'
            ELSE format('CREATE LANGUAGE %I ...; -- as on the source, with its handler''s library',
                        s.name) END AS fix
  FROM jsonb_array_elements_text($1::jsonb) AS s (name)
 WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_language AS l WHERE l.lanname = s.name)
 ORDER BY 1
