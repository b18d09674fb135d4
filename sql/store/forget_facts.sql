-- name: store_forget_facts
-- Not what is still to be put back on the target (rule 9).
-- columns: none
DELETE FROM fact WHERE name NOT LIKE 'relaxed %'
