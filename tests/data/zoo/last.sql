-- What must come last: publications, event triggers, and a refresh of what
-- depends on all the rest.
CREATE PUBLICATION zoo_some FOR TABLE zoo.text_key, zoo_parts.spread
    WITH (publish = 'insert, update', publish_via_partition_root = true);
CREATE PUBLICATION "Zoo ""empty""";
CREATE PUBLICATION zoo_everything FOR ALL TABLES WITH (publish = 'insert');
COMMENT ON PUBLICATION zoo_some IS 'a publication';

-- Writes down what is done to the schema: rows that were never on the source,
-- if it is there before the move has made its last index.
CREATE TABLE zoo_trigger.ddl_log (n bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, tag text);
CREATE FUNCTION zoo_trigger.log_ddl() RETURNS event_trigger LANGUAGE plpgsql
    AS 'BEGIN INSERT INTO zoo_trigger.ddl_log (tag) VALUES (TG_TAG); END';
CREATE FUNCTION zoo_trigger.quiet() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
CREATE EVENT TRIGGER zoo_log_ddl ON ddl_command_end
    WHEN TAG IN ('CREATE INDEX', 'ALTER TABLE', 'COMMENT', 'GRANT', 'REFRESH MATERIALIZED VIEW',
                 'CREATE TRIGGER', 'CREATE TABLE')
    EXECUTE FUNCTION zoo_trigger.log_ddl();
CREATE EVENT TRIGGER "zoo ""drop""" ON sql_drop EXECUTE FUNCTION zoo_trigger.quiet();
CREATE EVENT TRIGGER zoo_always ON ddl_command_start EXECUTE FUNCTION zoo_trigger.quiet();
CREATE EVENT TRIGGER zoo_rewrite ON table_rewrite EXECUTE FUNCTION zoo_trigger.quiet();
\if :at_least_17
CREATE EVENT TRIGGER zoo_login ON login EXECUTE FUNCTION zoo_trigger.quiet();
ALTER EVENT TRIGGER zoo_login DISABLE;
\endif
ALTER EVENT TRIGGER zoo_rewrite DISABLE;
ALTER EVENT TRIGGER zoo_always ENABLE ALWAYS;
COMMENT ON EVENT TRIGGER zoo_log_ddl IS 'an event trigger';
ANALYZE;
