-- name: move_unreadable
-- What lets this role read the first of these tables that it may not read.
-- $1 oid[]  tables
-- columns: fix
SELECT CASE WHEN pg_catalog.has_schema_privilege(n.oid, 'USAGE')
            THEN pg_catalog.format('GRANT SELECT ON TABLE %I.%I TO %I;', n.nspname, c.relname, current_user)
            ELSE pg_catalog.format('GRANT USAGE ON SCHEMA %I TO %I;', n.nspname, current_user)
       END AS fix
  FROM pg_catalog.pg_class AS c
  JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
 WHERE c.oid = ANY ($1::pg_catalog.oid[])
   AND NOT (pg_catalog.has_schema_privilege(n.oid, 'USAGE') AND pg_catalog.has_table_privilege(c.oid, 'SELECT'))
 ORDER BY n.nspname, c.relname
 LIMIT 1
