-- name: target_places_missing
-- What of other tables' rows has no place here: a table, a column (one that is computed here has none), or, here
-- alone, a column that must have a value and makes none by itself.
-- $1 text[]  tables, quoted
-- $2 text[]  columns; '': the table itself is meant
-- columns: object, table, why (table, column or value)
WITH wanted AS (
     SELECT w.name, pg_catalog.to_regclass(w.name) AS oid, w.attribute
       FROM unnest($1::text[], $2::text[]) AS w (name, attribute)
)
SELECT w.name AS object, w.name, 'table'
  FROM wanted AS w
 WHERE w.attribute = ''
   AND w.oid IS NULL
 UNION ALL
SELECT pg_catalog.format('%s.%I', w.oid, w.attribute), w.name, 'column'
  FROM wanted AS w
  LEFT JOIN pg_catalog.pg_attribute AS a
         ON a.attrelid = w.oid
        AND a.attname = w.attribute
        AND NOT a.attisdropped
 WHERE w.attribute <> ''
   AND w.oid IS NOT NULL
   AND (a.attnum IS NULL OR a.attgenerated <> '')
 UNION ALL
SELECT pg_catalog.format('%s.%I', w.oid, a.attname), w.name, 'value'
  FROM wanted AS w
  JOIN pg_catalog.pg_attribute AS a ON a.attrelid = w.oid
 WHERE w.attribute = ''
   AND a.attnum > 0
   AND NOT a.attisdropped
   AND a.attnotnull
   AND NOT a.atthasdef
   AND a.attidentity = ''
   AND NOT EXISTS (SELECT FROM wanted AS k WHERE k.oid = w.oid AND k.attribute = a.attname)
 ORDER BY 1
