-- name: target_begin_move
-- $1 text  the move's id
-- columns: none
INSERT INTO homeport.move (id) VALUES ($1)
