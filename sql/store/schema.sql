-- name: store_schema
-- The state's tables, version 1 (PRAGMA user_version). `move` has one row at
-- most: one move per work folder.
-- columns: none
CREATE TABLE IF NOT EXISTS move (
    only_one integer PRIMARY KEY CHECK (only_one = 1),
    id text NOT NULL,            -- also on the target, in homeport.move
    kind text NOT NULL,          -- 'once' or 'live'
    direction text NOT NULL,     -- 'forward' or 'back'
    phase text NOT NULL,         -- its name in move/state.c
    source text NOT NULL,        -- redacted
    target text NOT NULL,
    started_ms integer NOT NULL,
    finished_ms integer,
    bytes_total integer NOT NULL DEFAULT 0,
    tables_total integer NOT NULL DEFAULT 0,
    tables_done integer NOT NULL DEFAULT 0,
    rows_done integer NOT NULL DEFAULT 0,
    bytes_done integer NOT NULL DEFAULT 0,
    runs integer NOT NULL DEFAULT 0,
    last_error text,
    switches integer NOT NULL DEFAULT 0 -- cutovers and rollbacks made
)
