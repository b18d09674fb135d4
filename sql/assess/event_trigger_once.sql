-- name: assess_event_trigger_once
-- Event triggers that will be made on the target.
-- columns: object, fix
SELECT format('%I (on %s)', t.evtname, t.evtevent) AS object, NULL AS fix
  FROM pg_catalog.pg_event_trigger AS t
 WHERE NOT EXISTS (
           SELECT
             FROM pg_catalog.pg_depend AS e
            WHERE e.classid = 'pg_catalog.pg_event_trigger'::regclass AND e.objid = t.oid
              AND e.deptype = 'e')
 ORDER BY 1
