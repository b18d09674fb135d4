-- name: live_marker
-- $1 text  content: the applier has come this far when it has read it (rule 30)
-- columns: lsn
SELECT pg_catalog.pg_logical_emit_message(true, 'homeport', $1)
