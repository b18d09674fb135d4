-- name: assess_target_privilege
-- What this role may not make on the target.
-- columns: object, fix
SELECT format('database %I', current_database()) AS object,
       format('GRANT CREATE ON DATABASE %I TO %I;', current_database(), current_user) AS fix
 WHERE NOT has_database_privilege(current_database(), 'CREATE')
UNION ALL
SELECT format('schema %I', n.nspname),
       format('GRANT CREATE, USAGE ON SCHEMA %I TO %I;', n.nspname, current_user)
  FROM pg_catalog.pg_namespace AS n
 WHERE n.nspname = 'public'
   AND NOT (has_schema_privilege(n.oid, 'CREATE') AND has_schema_privilege(n.oid, 'USAGE'))
UNION ALL
SELECT format('TEMPORARY on database %I', current_database()),
       format('GRANT TEMPORARY ON DATABASE %I TO %I;', current_database(), current_user)
 WHERE NOT has_database_privilege(current_database(), 'TEMPORARY')
 ORDER BY 1
