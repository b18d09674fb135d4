-- name: store_read_move
-- columns: id, kind, direction, phase, source, target, started_ms, finished_ms, bytes_total, tables_total, tables_done, rows_done, bytes_done, runs, last_error, switches
SELECT id, kind, direction, phase, source, target, started_ms, finished_ms, bytes_total,
       tables_total, tables_done, rows_done, bytes_done, runs, last_error, switches
  FROM move
