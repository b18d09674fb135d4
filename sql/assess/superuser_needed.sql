-- name: assess_superuser_needed
-- Objects that the target's role cannot make because it is no superuser.
-- $1 jsonb  objects that take one (facts_superuser_objects)
-- columns: object, fix
SELECT o.name AS object, format('ALTER ROLE %I SUPERUSER; -- while the move runs', current_user) AS fix
  FROM jsonb_array_elements_text($1::jsonb) AS o (name)
 WHERE NOT (SELECT r.rolsuper FROM pg_catalog.pg_roles AS r WHERE r.rolname = current_user)
 ORDER BY 1
