-- name: assess_row_security_hides
-- Tables of which row-level security would hide rows from this role. With row_security = off, as in
-- every session of homeport, reading them is an error instead of a copy with holes.
-- $1 text[]  schemas to leave out
-- columns: object, fix
SELECT format('%I.%I', n.nspname, c.relname) AS object,
       format('ALTER ROLE %I BYPASSRLS;', current_user) AS fix
  FROM pg_catalog.pg_class AS c
  JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p')
   AND c.relrowsecurity
   AND NOT (SELECT r.rolsuper OR r.rolbypassrls
              FROM pg_catalog.pg_roles AS r WHERE r.rolname = current_user)
   AND (c.relforcerowsecurity OR NOT pg_has_role(c.relowner, 'USAGE'))
   AND n.nspname <> ALL ($1::text[])
   AND NOT EXISTS (
           SELECT
             FROM pg_catalog.pg_depend AS e
            WHERE e.classid = 'pg_catalog.pg_class'::regclass AND e.objid = c.oid
              AND e.deptype = 'e')
 ORDER BY 1
