-- name: assess_collation_missing
-- Collations that the source's columns name and the target's server does not have.
-- $1 jsonb  what is used (facts_collations)
-- columns: object, fix
SELECT format('%s COLLATE %I', u.object, u.name) AS object,
       'SELECT pg_import_system_collations(''pg_catalog'');' AS fix
  FROM jsonb_to_recordset($1::jsonb) AS u (name text, object text)
 WHERE NOT EXISTS (
           SELECT
             FROM pg_catalog.pg_collation AS l
            WHERE l.collname = u.name
              AND l.collnamespace = 'pg_catalog'::regnamespace
              AND l.collencoding IN (-1, pg_char_to_encoding(getdatabaseencoding())))
 ORDER BY 1
