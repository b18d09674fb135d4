-- name: target_note_setting
-- Remembers what ALTER SYSTEM is about to change; what an earlier run noted stays.
-- $1 text  name of the setting
-- columns: none
INSERT INTO homeport.relaxed (name, previous)
SELECT $1::text,
       (SELECT f.setting
          FROM pg_catalog.pg_file_settings AS f
         WHERE f.name = $1::text
           AND f.sourcefile LIKE '%postgresql.auto.conf'
         ORDER BY f.seqno DESC
         LIMIT 1)
    ON CONFLICT (name) DO NOTHING
