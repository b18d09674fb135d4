-- name: demo_find_writes
-- What there is of the writers' work: rows that bear a write's name, and made-up attempts that are
-- gone.
-- $1 bigint  how many attempts were made up
-- columns: problems, attempts, changes, deletes
SELECT (SELECT count(*) FROM public.problems WHERE description LIKE 'added by write %'),
       count(*) FILTER (WHERE notes LIKE 'added by write %'),
       count(*) FILTER (WHERE notes LIKE 'changed by write %'),
       $1::bigint - count(*) FILTER (WHERE notes LIKE 'added by write %' IS NOT TRUE)
  FROM public.attempts
