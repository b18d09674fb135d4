-- name: store_set_phase
-- $1 phase, $2 when it finished (milliseconds, NULL: it has not)
-- columns: none
UPDATE move SET phase = ?1, finished_ms = ?2
