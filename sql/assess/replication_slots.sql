-- name: assess_replication_slots
-- max_replication_slots, where fewer than the wanted number are free, with the slots nobody reads.
-- $1 integer  how many are wanted
-- columns: object, fix
SELECT format('max_replication_slots = %s, %s in use', m.slots, u.count) AS object,
       concat_ws(E'\n', u.drops,
                 format('ALTER SYSTEM SET max_replication_slots = %s; -- then restart the server',
                        u.count + $1::integer)) AS fix
  FROM (SELECT current_setting('max_replication_slots')::integer AS slots) AS m
       CROSS JOIN (
           SELECT count(*) AS count,
                  string_agg(format('SELECT pg_drop_replication_slot(%L); -- if nobody needs it',
                                    s.slot_name), E'\n' ORDER BY s.slot_name)
                      FILTER (WHERE NOT s.active AND NOT s.temporary) AS drops
             FROM pg_catalog.pg_replication_slots AS s) AS u
 WHERE m.slots - u.count < $1::integer
