-- name: assess_trigger_fires
-- Triggers and rules that fire also for changes that are applied under
-- session_replication_role = replica (ENABLE ALWAYS, ENABLE REPLICA): what they write would come
-- twice, once by the stream and once by the trigger.
-- $1 text[]  schemas to leave out
-- columns: object, fix
SELECT format('%I on %I.%I', t.tgname, n.nspname, c.relname) AS object,
       format('ALTER TABLE %I.%I ENABLE TRIGGER %I;', n.nspname, c.relname, t.tgname) AS fix
  FROM pg_catalog.pg_trigger AS t
  JOIN pg_catalog.pg_class AS c ON c.oid = t.tgrelid
  JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
  JOIN pg_catalog.pg_proc AS p ON p.oid = t.tgfoid
 WHERE NOT t.tgisinternal
   AND t.tgenabled IN ('A', 'R')
   AND c.relkind IN ('r', 'p')
   AND p.pronamespace IS DISTINCT FROM to_regnamespace('homeport')
   AND n.nspname <> ALL ($1::text[])
UNION ALL
SELECT format('rule %I on %I.%I', r.rulename, n.nspname, c.relname),
       format('ALTER TABLE %I.%I ENABLE RULE %I;', n.nspname, c.relname, r.rulename)
  FROM pg_catalog.pg_rewrite AS r
  JOIN pg_catalog.pg_class AS c ON c.oid = r.ev_class
  JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
 WHERE r.ev_enabled IN ('A', 'R')
   AND c.relkind IN ('r', 'p')
   AND n.nspname <> ALL ($1::text[])
 ORDER BY 1
