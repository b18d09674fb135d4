-- name: assess_space_answer
-- What df said, without its heading (space_probe, in the same transaction).
-- columns: file_system, mounted_on, free_bytes
SELECT f.field[1] AS file_system, f.field[6] AS mounted_on, f.field[4]::bigint * 1024 AS free_bytes
  FROM regexp_split_to_table(current_setting('homeport.space', true), '\n') AS l (line)
       CROSS JOIN LATERAL (SELECT regexp_split_to_array(l.line, '\s+') AS field) AS f
 WHERE f.field[4] ~ '^[0-9]+$'
