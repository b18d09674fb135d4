-- name: assess_event_trigger
-- Event triggers that are enabled.
-- columns: object, fix
SELECT format('%I (on %s)', t.evtname, t.evtevent) AS object,
       format('ALTER EVENT TRIGGER %I DISABLE; -- while the move runs', t.evtname) AS fix
  FROM pg_catalog.pg_event_trigger AS t
 WHERE t.evtenabled <> 'D'
 ORDER BY 1
