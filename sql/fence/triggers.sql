-- name: fence_triggers
-- Every trigger of the fence in this database, whatever list it was made from.
-- columns: schema, name, state, whole
SELECT n.nspname, c.relname, t.tgenabled::text, true
  FROM pg_catalog.pg_trigger AS t
  JOIN pg_catalog.pg_class AS c ON c.oid = t.tgrelid
  JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
 WHERE t.tgname = 'homeport_fence'
   AND NOT t.tgisinternal
 ORDER BY 1, 2
