-- name: target_mark_entry
-- $1 integer  the entry's id in the archive
-- columns: none
INSERT INTO homeport.finished_entry (entry) VALUES ($1)
