-- name: target_marked_entries
-- columns: entry
SELECT entry FROM homeport.finished_entry ORDER BY entry
