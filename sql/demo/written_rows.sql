-- name: demo_written_rows
-- Made-up attempts for the writers to work on, with what they hang on.
-- $1 bigint  how many at most
-- columns: id, problem_id, user_id
SELECT id, problem_id, user_id
  FROM public.attempts
 LIMIT $1::bigint
