-- name: target_event_triggers
-- Event triggers that fire and that this role may set aside, with the word that enables each again.
-- columns: name, enable
SELECT evtname,
       CASE evtenabled WHEN 'A' THEN 'ENABLE ALWAYS' WHEN 'R' THEN 'ENABLE REPLICA' ELSE 'ENABLE' END
  FROM pg_catalog.pg_event_trigger
 WHERE evtenabled <> 'D'
   AND pg_catalog.pg_has_role(evtowner, 'USAGE')
