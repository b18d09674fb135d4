-- name: assess_facts_server
-- What the report and the rules in C need to know of one server and of this session's rights there.
-- The defaults are those of a session as the app opens it, not of ours (reset_val).
-- columns: version_num, version, database, role, superuser, in_recovery, read_only, size_bytes,
--          encoding, lc_collate, lc_ctype, provider, backend_pid, neon,
--          quoted_database, quoted_role
SELECT current_setting('server_version_num')::integer AS version_num,
       current_setting('server_version') AS version,
       current_database() AS database,
       current_user AS role,
       r.rolsuper AS superuser,
       pg_is_in_recovery() AS in_recovery,
       coalesce((SELECT s.reset_val = 'on'
                   FROM pg_catalog.pg_settings AS s
                  WHERE s.name = 'default_transaction_read_only'), false)
           -- homeport's own fence, of a move that goes on
           AND to_regclass('homeport.fence_setting') IS NULL AS read_only,
       pg_database_size(d.oid) AS size_bytes,
       pg_encoding_to_char(d.encoding) AS encoding,
       d.datcollate AS lc_collate,
       d.datctype AS lc_ctype,
       CASE coalesce(to_jsonb(d) ->> 'datlocprovider', 'c')
            WHEN 'c' THEN 'libc' WHEN 'i' THEN 'icu' WHEN 'b' THEN 'builtin' ELSE 'unknown'
       END AS provider,
       pg_backend_pid() AS backend_pid,
       EXISTS (SELECT FROM pg_catalog.pg_roles AS n WHERE n.rolname = 'neon_superuser') AS neon,
       quote_ident(current_database()) AS quoted_database,
       quote_ident(current_user) AS quoted_role
  FROM pg_catalog.pg_database AS d
       CROSS JOIN pg_catalog.pg_roles AS r
 WHERE d.datname = current_database()
   AND r.rolname = current_user
