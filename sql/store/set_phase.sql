-- name: store_set_phase
-- $1 phase, $2 when it finished (milliseconds, NULL: it has not; then no error matters any more),
-- $3 direction, $4 switches made
-- columns: none
UPDATE move
   SET phase = ?1, finished_ms = ?2, last_error = CASE WHEN ?2 IS NULL THEN last_error END,
       direction = ?3, switches = ?4
