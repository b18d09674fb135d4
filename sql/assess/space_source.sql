-- name: assess_space_source
-- How large the source is, and its largest index: what the target needs is reckoned from both.
-- Sizes of single relations come from the catalogue, since asking the file system for them takes a
-- lock that an ALTER TABLE would make wait.
-- columns: database_bytes, largest_index_bytes
SELECT pg_database_size(current_database()) AS database_bytes,
       (SELECT coalesce(max(c.relpages), 0)::bigint * current_setting('block_size')::bigint
          FROM pg_catalog.pg_class AS c
         WHERE c.relkind = 'i') AS largest_index_bytes
