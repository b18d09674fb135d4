-- name: target_wal_room
-- How much WAL between checkpoints the load may write: at least what is allowed now, at most 16 GB.
-- $1 bigint  bytes that will be loaded
-- columns: megabytes
SELECT greatest(pg_catalog.pg_size_bytes(pg_catalog.current_setting('max_wal_size')),
                least($1::bigint * 2, 16::bigint << 30)) >> 20
