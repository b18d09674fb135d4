-- name: store_forget_move
-- One that was aborted makes room for the next.
-- columns: none
DELETE FROM move WHERE phase = 'aborted'
