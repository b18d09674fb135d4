-- name: assess_constraint_not_valid
-- Constraints that rows written before them may break. What is declared NOT ENFORCED is meant so.
-- $1 text[]  schemas to leave out
-- columns: object, fix
SELECT format('%I on %I.%I', k.conname, n.nspname, c.relname) AS object,
       format('ALTER TABLE %I.%I VALIDATE CONSTRAINT %I;', n.nspname, c.relname, k.conname) AS fix
  FROM pg_catalog.pg_constraint AS k
  JOIN pg_catalog.pg_class AS c ON c.oid = k.conrelid
  JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
 WHERE NOT k.convalidated
   AND coalesce(to_jsonb(k) ->> 'conenforced', 'true') = 'true'
   AND n.nspname <> ALL ($1::text[])
 ORDER BY 1
