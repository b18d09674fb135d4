-- name: assess_publication_privilege
-- What stands between this role and a publication of every table: CREATE on the database, and
-- ownership of each table.
-- $1 text[]  schemas to leave out
-- columns: object, fix
SELECT format('database %I', current_database()) AS object,
       format('GRANT CREATE ON DATABASE %I TO %I;', current_database(), current_user) AS fix
 WHERE NOT has_database_privilege(current_database(), 'CREATE')
UNION ALL
SELECT format('%I.%I', n.nspname, c.relname),
       format('GRANT %I TO %I;', pg_get_userbyid(c.relowner), current_user)
  FROM pg_catalog.pg_class AS c
  JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p')
   AND c.relpersistence = 'p'
   AND NOT pg_has_role(c.relowner, 'USAGE')
   AND n.nspname <> ALL ($1::text[])
   AND NOT EXISTS (
           SELECT
             FROM pg_catalog.pg_depend AS e
             JOIN pg_catalog.pg_extension AS x ON x.oid = e.refobjid
            WHERE e.classid = 'pg_catalog.pg_class'::regclass AND e.objid = c.oid
              AND e.refclassid = 'pg_catalog.pg_extension'::regclass
              AND e.deptype = 'e'
              AND c.oid <> ALL (coalesce(x.extconfig, '{}')))
 ORDER BY 1
