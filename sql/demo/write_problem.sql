-- name: demo_write_problem
-- A user adds a problem. It can be done again: the write's name makes the id.
-- $1 text  the write, "2-17"
-- $2 text  the user
-- columns: none
INSERT INTO public.problems (id, user_id, title, description, platform, difficulty, tags)
VALUES (md5('write ' || $1::text)::uuid, $2::text, 'Two Sum, once more', 'added by write ' || $1::text, 'LeetCode',
        'easy'::public.difficulty, ARRAY['array', '"again"'])
ON CONFLICT (id) DO NOTHING
