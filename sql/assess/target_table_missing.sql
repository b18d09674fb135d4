-- name: assess_target_table_missing
-- Tables and columns of the source that a target with a schema of its own does not have.
-- $1 jsonb  the source's tables (facts_tables)
-- columns: object, fix
SELECT CASE WHEN c.oid IS NULL THEN format('%I.%I', s.schema, s.name)
            ELSE format('%I.%I.%I', s.schema, s.name, k.name) END AS object,
       NULL AS fix
  FROM jsonb_to_recordset($1::jsonb) AS s (schema text, name text, columns jsonb)
       LEFT JOIN pg_catalog.pg_namespace AS n ON n.nspname = s.schema
       LEFT JOIN pg_catalog.pg_class AS c
              ON c.relnamespace = n.oid AND c.relname = s.name AND c.relkind IN ('r', 'p')
       LEFT JOIN LATERAL jsonb_array_elements_text(s.columns) AS k (name) ON c.oid IS NOT NULL
       LEFT JOIN pg_catalog.pg_attribute AS a
              ON a.attrelid = c.oid AND a.attname = k.name AND NOT a.attisdropped
 WHERE c.oid IS NULL
    OR (k.name IS NOT NULL AND a.attnum IS NULL)
 ORDER BY 1
