-- name: store_schema_fact
-- What else a live move has to remember, by name: the fence's token, fingerprints, the last reports.
-- columns: none
CREATE TABLE IF NOT EXISTS fact (
    name text PRIMARY KEY,
    value text NOT NULL
)
