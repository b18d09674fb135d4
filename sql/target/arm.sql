-- name: target_arm
-- A row that a crash of the server takes away: as each table is unlogged whose rows were
-- already copied, and as commits of the last moments that did not wait for the disk.
-- columns: none
INSERT INTO homeport.no_crash (since) VALUES (true) ON CONFLICT DO NOTHING
