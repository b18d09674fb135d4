-- name: assess_extension_privilege
-- Extensions that this role may not create on the target: not trusted, and it is no superuser.
-- $1 jsonb  the source's extensions (facts_extensions)
-- columns: object, fix
SELECT format('%I', e.name) AS object,
       format('CREATE EXTENSION %I; -- as a superuser', e.name) AS fix
  FROM jsonb_to_recordset($1::jsonb) AS e (name text, version text)
  JOIN pg_catalog.pg_available_extensions AS a ON a.name = e.name
  JOIN pg_catalog.pg_available_extension_versions AS v
       ON v.name = a.name AND v.version = a.default_version
 WHERE a.installed_version IS NULL
   AND v.superuser
   AND NOT (SELECT r.rolsuper FROM pg_catalog.pg_roles AS r WHERE r.rolname = current_user)
   AND NOT (v.trusted AND has_database_privilege(current_database(), 'CREATE'))
 ORDER BY e.name
