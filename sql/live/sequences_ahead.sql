-- name: live_sequences_ahead
-- Sequences as the other side is to have them: ahead by a margin, as values may have been taken
-- that no row shows (rule 22), but by no more than a tenth of what is left: one that is near its end
-- must not come to it, or to its beginning again, for our sake. One that was set and not asked yet
-- has given none beyond what it will give next.
-- $1 bigint    margin, in steps
-- $2 text[]    schemas
-- $3 text[]    names
-- $4 bigint[]  last_value of each, as the sequence itself has it
-- $5 boolean[] is_called of each
-- columns: schema, name, last_value, is_called
SELECT v.schema_name, v.name,
       CASE WHEN v.is_called
            THEN v.last_value + q.seqincrement * LEAST(
                   $1::bigint,
                   pg_catalog.div((CASE WHEN q.seqincrement > 0 THEN q.seqmax ELSE q.seqmin END)::numeric - v.last_value,
                                  q.seqincrement::numeric * 10))::bigint
            ELSE v.last_value
       END,
       v.is_called
  FROM unnest($2::text[], $3::text[], $4::bigint[], $5::boolean[])
       WITH ORDINALITY AS v (schema_name, name, last_value, is_called, place)
  JOIN pg_catalog.pg_namespace AS n ON n.nspname = v.schema_name
  JOIN pg_catalog.pg_class AS c ON c.relnamespace = n.oid AND c.relname = v.name
  JOIN pg_catalog.pg_sequence AS q ON q.seqrelid = c.oid
 ORDER BY v.place
