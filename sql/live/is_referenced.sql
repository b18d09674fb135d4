-- name: live_is_referenced
-- $1 text  a table, quoted
-- columns: referenced
SELECT EXISTS (SELECT
                 FROM pg_catalog.pg_constraint
                WHERE contype = 'f' AND confrelid = $1::text::pg_catalog.regclass)
