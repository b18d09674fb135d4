-- name: target_filled_tables
-- Tables that the move has put rows into, and those that a TRUNCATE has to name with them, as they
-- refer to them. apply/create_progress.sql has been run.
-- columns: schema, table, filled
WITH RECURSIVE filled (oid) AS (
    SELECT c.oid
      FROM (SELECT p.schema_name, p.table_name FROM homeport.finished_part AS p
             UNION
            SELECT p.schema_name, p.table_name FROM homeport.progress AS p) AS w (schema, name)
      JOIN pg_catalog.pg_namespace AS n ON n.nspname = w.schema
      JOIN pg_catalog.pg_class AS c ON c.relnamespace = n.oid AND c.relname = w.name AND c.relkind = 'r'
), named (oid) AS (
    SELECT f.oid
      FROM filled AS f
     UNION
    SELECT k.conrelid
      FROM named AS m
      JOIN pg_catalog.pg_constraint AS k ON k.contype = 'f' AND k.confrelid = m.oid
      JOIN pg_catalog.pg_class AS c ON c.oid = k.conrelid AND c.relkind = 'r'
)
SELECT n.nspname, c.relname, c.oid IN (SELECT f.oid FROM filled AS f)
  FROM named AS m
  JOIN pg_catalog.pg_class AS c ON c.oid = m.oid
  JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
 ORDER BY 1, 2
