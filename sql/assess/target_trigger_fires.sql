-- name: assess_target_trigger_fires
-- Triggers that the copied rows would fire on a target whose schema is there already: those that
-- are enabled even under session_replication_role = replica. The fence of a move that goes on lets
-- its own rows pass.
-- columns: object, fix
SELECT format('%I on %I.%I', t.tgname, n.nspname, c.relname) AS object,
       format('ALTER TABLE %I.%I DISABLE TRIGGER %I; -- and after the move: ENABLE %s TRIGGER %3$I',
              n.nspname, c.relname, t.tgname,
              CASE t.tgenabled WHEN 'A' THEN 'ALWAYS' ELSE 'REPLICA' END) AS fix
  FROM pg_catalog.pg_trigger AS t
  JOIN pg_catalog.pg_class AS c ON c.oid = t.tgrelid
  JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
  JOIN pg_catalog.pg_proc AS p ON p.oid = t.tgfoid
 WHERE NOT t.tgisinternal
   AND t.tgenabled IN ('A', 'R')
   AND n.nspname <> 'homeport'
   AND p.pronamespace IS DISTINCT FROM to_regnamespace('homeport')
   AND c.relkind IN ('r', 'p')
 ORDER BY 1
