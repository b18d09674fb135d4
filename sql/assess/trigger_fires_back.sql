-- name: assess_trigger_fires_back
-- Ordinary triggers of the source, where this role may not set session_replication_role there: they
-- fire again for what is applied backwards after the cutover.
-- $1 text[]  schemas to leave out
-- columns: object, fix
SELECT format('%I on %I.%I', t.tgname, n.nspname, c.relname) AS object, NULL AS fix
  FROM pg_catalog.pg_trigger AS t
  JOIN pg_catalog.pg_class AS c ON c.oid = t.tgrelid
  JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
  JOIN pg_catalog.pg_proc AS p ON p.oid = t.tgfoid
 WHERE NOT t.tgisinternal
   AND t.tgenabled = 'O'
   AND c.relkind IN ('r', 'p')
   AND p.pronamespace IS DISTINCT FROM to_regnamespace('homeport')
   AND n.nspname <> ALL ($1::text[])
 ORDER BY 1
