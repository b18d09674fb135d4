-- name: assess_wal_senders
-- max_wal_senders, where fewer than the wanted number are free.
-- $1 integer  how many are wanted
-- columns: object, fix
SELECT format('max_wal_senders = %s, %s in use', m.senders, u.count) AS object,
       format('ALTER SYSTEM SET max_wal_senders = %s; -- then restart the server',
              u.count + $1::integer) AS fix
  FROM (SELECT current_setting('max_wal_senders')::integer AS senders) AS m
       CROSS JOIN (SELECT count(*) AS count FROM pg_catalog.pg_stat_replication) AS u
 WHERE m.senders - u.count < $1::integer
