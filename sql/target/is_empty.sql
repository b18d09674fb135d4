-- name: target_is_empty
-- No relation of a user, which is what a move of anything leaves behind.
-- columns: empty
SELECT NOT EXISTS (SELECT
                     FROM pg_catalog.pg_class AS c
                     JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
                    WHERE n.nspname !~ '^pg_'
                      AND n.nspname <> 'information_schema')
