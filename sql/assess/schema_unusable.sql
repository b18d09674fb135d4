-- name: assess_schema_unusable
-- Schemas that this role may not look into.
-- $1 text[]  schemas to leave out
-- columns: object, fix
SELECT format('%I', n.nspname) AS object,
       format('GRANT USAGE ON SCHEMA %I TO %I;', n.nspname, current_user) AS fix
  FROM pg_catalog.pg_namespace AS n
 WHERE NOT has_schema_privilege(n.oid, 'USAGE')
   AND n.nspname !~ '^pg_'
   AND n.nspname <> ALL ($1::text[])
 ORDER BY 1
