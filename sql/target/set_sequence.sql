-- name: target_set_sequence
-- $1 regclass  sequence
-- $2 bigint    last_value
-- $3 boolean   is_called
-- columns: setval
SELECT pg_catalog.setval($1::pg_catalog.regclass, $2, $3)
