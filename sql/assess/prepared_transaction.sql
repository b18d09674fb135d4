-- name: assess_prepared_transaction
-- Transactions of this database that are prepared and neither committed nor rolled back.
-- columns: object, fix
SELECT format('%L of %I, prepared %s', x.gid, x.owner,
              to_char(x.prepared AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS "UTC"')) AS object,
       format('COMMIT PREPARED %L; -- or: ROLLBACK PREPARED %1$L;', x.gid) AS fix
  FROM pg_catalog.pg_prepared_xacts AS x
 WHERE x.database = current_database()
 ORDER BY x.prepared
