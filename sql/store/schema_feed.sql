-- name: store_schema_feed
-- The feeds of a live move, one direction of replication each (docs/decisions/0007). `start` is NULL
-- until it is known from where the feed is read. Which one is at work is the fact `feed`; the others
-- only wait for their slots to be dropped.
-- columns: none
CREATE TABLE IF NOT EXISTS feed (
    number integer PRIMARY KEY,
    direction text NOT NULL,     -- 'forward': from the source; 'back': from home
    slot text NOT NULL,
    start text                   -- LSN of the side it comes from
)
