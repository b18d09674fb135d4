-- name: target_forget_entries
-- columns: none
DELETE FROM homeport.finished_entry
