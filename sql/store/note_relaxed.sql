-- name: store_note_relaxed
-- Remembers what ALTER SYSTEM is about to change.
-- $1 name of the setting, $2 what it was set to; NULL: nothing
-- columns: none
INSERT INTO fact (name, value) VALUES ('relaxed ' || ?1, coalesce('=' || ?2, ''))
