-- name: apply_forget_progress
-- A feed that begins has applied nothing yet, whatever an earlier move or a copy of its database
-- left behind under the same number.
-- $1 integer  feed
-- columns: none
DELETE FROM homeport.progress WHERE feed = $1::integer
