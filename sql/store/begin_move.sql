-- name: store_begin_move
-- $1 id, $2 kind, $3 source and $4 target (redacted), $5 milliseconds since 1970
-- columns: none
INSERT INTO move (only_one, id, kind, direction, phase, source, target, started_ms)
VALUES (1, ?1, ?2, 'forward', 'planned', ?3, ?4, ?5)
