-- name: migrations_statements
-- The statements on the table that records migrations, under its configured name as the server
-- quotes it. The table is drizzle-kit's own: 0.x knows three columns, 1.0 five.
-- $1 text  schema
-- $2 text  table
-- columns: create_schema, create_0_x, create_1_0, lock, read_0_x, read_1_0, insert_0_x, insert_1_0,
--          add_name, add_applied_at, set_upgraded, set_name
SELECT pg_catalog.format('CREATE SCHEMA IF NOT EXISTS %I', n.schema),
       pg_catalog.format('CREATE TABLE IF NOT EXISTS %I.%I (
                            id SERIAL PRIMARY KEY,
                            hash text NOT NULL,
                            created_at bigint)', n.schema, n.name),
       pg_catalog.format('CREATE TABLE IF NOT EXISTS %I.%I (
                            id SERIAL PRIMARY KEY,
                            hash text NOT NULL,
                            created_at bigint,
                            name text,
                            applied_at timestamp with time zone DEFAULT now())', n.schema, n.name),
       pg_catalog.format('LOCK TABLE %I.%I IN SHARE ROW EXCLUSIVE MODE', n.schema, n.name),
       pg_catalog.format('SELECT id, hash, created_at, NULL, NULL
                            FROM %I.%I ORDER BY id', n.schema, n.name),
       pg_catalog.format('SELECT id, hash, created_at, name, applied_at
                            FROM %I.%I ORDER BY id', n.schema, n.name),
       pg_catalog.format('INSERT INTO %I.%I ("hash", "created_at")
                          VALUES ($1, $2)', n.schema, n.name),
       pg_catalog.format('INSERT INTO %I.%I ("hash", "created_at", "name")
                          VALUES ($1, $2, $3)', n.schema, n.name),
       pg_catalog.format('ALTER TABLE %I.%I ADD COLUMN IF NOT EXISTS "name" text',
                         n.schema, n.name),
       pg_catalog.format('ALTER TABLE %I.%I ADD COLUMN IF NOT EXISTS "applied_at"
                            timestamp with time zone DEFAULT now()', n.schema, n.name),
       pg_catalog.format('UPDATE %I.%I SET "name" = $2, "applied_at" = NULL
                           WHERE "id" = $1', n.schema, n.name),
       pg_catalog.format('UPDATE %I.%I SET "name" = $2 WHERE "id" = $1', n.schema, n.name)
  FROM (SELECT $1::text AS schema, $2::text AS name) AS n
