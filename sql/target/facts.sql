-- name: target_facts
-- What decides how much is done at once on the target.
-- columns: version_num, shared_buffers, max_parallel_workers, local
SELECT pg_catalog.current_setting('server_version_num')::integer,
       pg_catalog.pg_size_bytes(pg_catalog.current_setting('shared_buffers')),
       pg_catalog.current_setting('max_parallel_workers')::integer,
       COALESCE(pg_catalog.inet_client_addr() = pg_catalog.inet_server_addr(), true)
