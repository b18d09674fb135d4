-- name: assess_subscription
-- Subscriptions through which rows come into the source from elsewhere.
-- columns: object, fix
SELECT format('%I', s.subname) AS object,
       format('ALTER SUBSCRIPTION %I DISABLE;', s.subname) AS fix
  FROM pg_catalog.pg_subscription AS s
  JOIN pg_catalog.pg_database AS d ON d.oid = s.subdbid
 WHERE d.datname = current_database()
   AND s.subenabled
 ORDER BY 1
