-- name: target_finished_tables
-- Tables of which every part is there, of one snapshot.
-- columns: schema, table, position
SELECT schema_name, table_name, pg_catalog.min(position)
  FROM homeport.finished_part
 GROUP BY schema_name, table_name
HAVING pg_catalog.count(*) = pg_catalog.min(parts)
   AND pg_catalog.min(parts) = pg_catalog.max(parts)
   AND pg_catalog.min(position) = pg_catalog.max(position)
