-- name: assess_tablespace_missing
-- Objects in tablespaces that the target does not have.
-- $1 jsonb  objects and their tablespaces (facts_tablespaces)
-- columns: object, fix
SELECT format('%s in %I', s.object, s.name) AS object,
       format('CREATE TABLESPACE %I LOCATION %L; -- an empty folder of the server''s user', s.name,
              s.location) AS fix
  FROM jsonb_to_recordset($1::jsonb) AS s (name text, location text, object text)
 WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_tablespace AS t WHERE t.spcname = s.name)
 ORDER BY 1
