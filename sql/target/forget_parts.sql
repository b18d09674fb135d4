-- name: target_forget_parts
-- The rows start again under a new snapshot (rule 6).
-- columns: none
DELETE FROM homeport.finished_part
