-- name: assess_target_has_rows
-- Tables that hold rows, or have held some, on a target whose schema is there already. Told by the
-- size of the file, so a table that was emptied by DELETE is among them.
-- $1 jsonb  the source's tables (facts_tables)
-- columns: object, fix
SELECT format('%I.%I', s.schema, s.name) AS object,
       format('TRUNCATE ONLY %I.%I;', s.schema, s.name) AS fix
  FROM jsonb_to_recordset($1::jsonb) AS s (schema text, name text)
  JOIN pg_catalog.pg_namespace AS n ON n.nspname = s.schema
  JOIN pg_catalog.pg_class AS c
       ON c.relnamespace = n.oid AND c.relname = s.name AND c.relkind = 'r'
 WHERE pg_relation_size(c.oid) > 0
   AND to_regclass('homeport.move') IS NULL
 ORDER BY 1
