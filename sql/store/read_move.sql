-- name: store_read_move
-- `half_switched`: the last switch was recorded, and what comes after that is not done.
-- Facts of `move --once`: which database was filled, and what a comparison found. `seconds_left` is of
-- the copy, -1 where it is not known; `stream` is how the stream does beside it, in JSON.
-- columns: id, kind, direction, phase, source, target, started_ms, finished_ms, bytes_total, tables_total, tables_done, rows_done, bytes_done, runs, last_error, switches, half_switched, target_database, compared, compared_ms, seconds_left, stream
SELECT id, kind, direction, phase, source, target, started_ms, finished_ms, bytes_total,
       tables_total, tables_done, rows_done, bytes_done, runs, last_error, switches,
       EXISTS (SELECT 1
                 FROM fact AS ended
                 JOIN fact AS feed ON feed.name = 'feed' AND feed.value = ended.value
                WHERE ended.name = 'ended') AS half_switched,
       (SELECT value FROM fact WHERE name = 'target database') AS target_database,
       (SELECT value FROM fact WHERE name = 'compared') AS compared,
       (SELECT CAST(value AS integer) FROM fact WHERE name = 'compared ms') AS compared_ms,
       (SELECT CAST(value AS integer) FROM fact WHERE name = 'seconds left') AS seconds_left,
       (SELECT value FROM fact WHERE name = 'stream') AS stream
  FROM move
