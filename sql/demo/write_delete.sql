-- name: demo_write_delete
-- A user deletes a made-up attempt.
-- $1 uuid  the attempt
-- columns: none
DELETE FROM public.attempts
 WHERE id = $1::uuid
