-- name: apply_set_progress
-- Never lowers what is there: a table that was copied again may be ahead of the stream.
-- $1 integer  feed
-- $2 text     schema, '' for the floor
-- $3 text     name, '' for the floor
-- $4 pg_lsn   position
-- columns: none
INSERT INTO homeport.progress AS p (feed, schema_name, table_name, lsn)
VALUES ($1::integer, $2::text, $3::text, $4::pg_lsn)
    ON CONFLICT (feed, schema_name, table_name)
    DO UPDATE SET lsn = GREATEST(p.lsn, EXCLUDED.lsn)
