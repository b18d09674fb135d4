-- name: store_read_move
-- `half_switched`: the last switch was recorded, and what comes after that is not done.
-- columns: id, kind, direction, phase, source, target, started_ms, finished_ms, bytes_total, tables_total, tables_done, rows_done, bytes_done, runs, last_error, switches, half_switched
SELECT id, kind, direction, phase, source, target, started_ms, finished_ms, bytes_total,
       tables_total, tables_done, rows_done, bytes_done, runs, last_error, switches,
       EXISTS (SELECT 1
                 FROM fact AS ended
                 JOIN fact AS feed ON feed.name = 'feed' AND feed.value = ended.value
                WHERE ended.name = 'ended') AS half_switched
  FROM move
