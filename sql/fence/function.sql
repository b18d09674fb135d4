-- name: fence_function
-- What every fenced table calls before a statement that writes: only a session that knows the token
-- may. The digest is the SHA-256 of the token, so that nobody can read the token from here. Names
-- are qualified, as the writer's search_path is in force.
-- :digest 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'
-- columns: none
CREATE OR REPLACE FUNCTION homeport.fence() RETURNS trigger LANGUAGE plpgsql AS $fence$
BEGIN
    IF pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(COALESCE(
           pg_catalog.current_setting('homeport.token', true), ''), 'UTF8')), 'hex')
       OPERATOR(pg_catalog.=) :digest THEN
        RETURN NULL;
    END IF;
    RAISE EXCEPTION USING
        ERRCODE = 'HP001',
        MESSAGE = pg_catalog.format('%I.%I is fenced: this database is being moved by homeport',
                                    TG_TABLE_SCHEMA, TG_TABLE_NAME),
        HINT = 'Write to the side that is live; homeport status says which, and how to lift the fence.';
END
$fence$
