-- name: demo_write_change
-- A user changes a made-up attempt. Each is changed once, so that the writes can be counted.
-- $1 text  the write, "2-17"
-- $2 uuid  the attempt
-- columns: none
UPDATE public.attempts
   SET status = 'solved'::public.status,
       notes = 'changed by write ' || $1::text,
       updated_at = clock_timestamp() AT TIME ZONE 'UTC'
 WHERE id = $2::uuid
