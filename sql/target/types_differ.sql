-- name: target_types_differ
-- Tables of which a column is of another type than on the source, or not there: their rows go as text,
-- which is converted or refused, while the binary form of another type may be taken for its own.
-- $1 text[]  tables, quoted
-- $2 text[]  columns
-- $3 text[]  types on the source, as format_type() has them
-- columns: table
SELECT DISTINCT s.name
  FROM unnest($1::text[], $2::text[], $3::text[]) AS s (name, attribute, type)
  LEFT JOIN pg_catalog.pg_attribute AS a
         ON a.attrelid = pg_catalog.to_regclass(s.name)
        AND a.attname = s.attribute
        AND NOT a.attisdropped
 WHERE pg_catalog.format_type(a.atttypid, a.atttypmod) IS DISTINCT FROM s.type
