-- Triggers of every kind. Most would change or refuse the rows if they fired
-- while the rows are being loaded.
CREATE SCHEMA zoo_trigger;
CREATE TABLE zoo_trigger.log (n bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, what text);
CREATE FUNCTION zoo_trigger.write_log() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO zoo_trigger.log (what) VALUES (TG_NAME || ' ' || TG_OP || ' ' || TG_LEVEL || ' '
        || coalesce(TG_ARGV[0], '-'));
    RETURN CASE WHEN TG_LEVEL = 'ROW' AND TG_OP <> 'DELETE' THEN NEW END;
END $$;
CREATE FUNCTION zoo_trigger.shout() RETURNS trigger LANGUAGE plpgsql
    AS 'BEGIN NEW.name := upper(NEW.name); RETURN NEW; END';
CREATE FUNCTION zoo_trigger.refuse() RETURNS trigger LANGUAGE plpgsql
    AS $$BEGIN RAISE EXCEPTION 'refused by a trigger'; END$$;
CREATE FUNCTION zoo_trigger.count_new() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO zoo_trigger.log (what) SELECT 'new: ' || count(*) FROM fresh;
    RETURN NULL;
END $$;

CREATE TABLE zoo_trigger.target (id integer PRIMARY KEY, name text, n integer);
INSERT INTO zoo_trigger.target SELECT g, 'lower case ' || g, g FROM generate_series(1, 20) AS g;
CREATE TRIGGER shout BEFORE INSERT OR UPDATE OF name ON zoo_trigger.target
    FOR EACH ROW WHEN (NEW.n > 0) EXECUTE FUNCTION zoo_trigger.shout();
CREATE TRIGGER "after ""each"" row" AFTER INSERT OR DELETE OR UPDATE ON zoo_trigger.target
    FOR EACH ROW EXECUTE FUNCTION zoo_trigger.write_log('it''s', E'an "argument" \\ \n', '');
CREATE TRIGGER each_statement AFTER TRUNCATE OR DELETE ON zoo_trigger.target
    FOR EACH STATEMENT EXECUTE FUNCTION zoo_trigger.write_log();
CREATE TRIGGER before_statement BEFORE INSERT ON zoo_trigger.target
    EXECUTE FUNCTION zoo_trigger.write_log('before');
CREATE TRIGGER transition AFTER INSERT ON zoo_trigger.target REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION zoo_trigger.count_new();
CREATE TRIGGER changed_only AFTER UPDATE ON zoo_trigger.target FOR EACH ROW
    WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION zoo_trigger.write_log('changed');
CREATE CONSTRAINT TRIGGER later AFTER INSERT ON zoo_trigger.target DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION zoo_trigger.write_log('deferred');
CREATE CONSTRAINT TRIGGER from_other AFTER UPDATE ON zoo_trigger.target FROM zoo.no_row
    FOR EACH ROW EXECUTE FUNCTION zoo_trigger.write_log('from');
CREATE TRIGGER switched_off BEFORE INSERT ON zoo_trigger.target
    FOR EACH ROW EXECUTE FUNCTION zoo_trigger.refuse();
ALTER TABLE zoo_trigger.target DISABLE TRIGGER switched_off;
-- Fires in every replication role.
CREATE TRIGGER always BEFORE INSERT ON zoo_trigger.target
    FOR EACH ROW EXECUTE FUNCTION zoo_trigger.write_log('always');
ALTER TABLE zoo_trigger.target ENABLE ALWAYS TRIGGER always;
CREATE TRIGGER replica_only BEFORE INSERT ON zoo_trigger.target
    FOR EACH ROW EXECUTE FUNCTION zoo_trigger.refuse();
ALTER TABLE zoo_trigger.target ENABLE REPLICA TRIGGER replica_only;
COMMENT ON TRIGGER shout ON zoo_trigger.target IS 'changes what is inserted';

-- On a view, on a partitioned table, and switched off on one partition alone.
CREATE TRIGGER instead INSTEAD OF UPDATE ON zoo_views.third
    FOR EACH ROW EXECUTE FUNCTION zoo_trigger.write_log('instead');
CREATE TRIGGER on_partitions AFTER INSERT OR UPDATE ON zoo_parts.spread
    FOR EACH ROW EXECUTE FUNCTION zoo_trigger.write_log('partition');
ALTER TABLE zoo_parts.spread_2 DISABLE TRIGGER on_partitions;
CREATE TRIGGER on_one_partition BEFORE INSERT ON zoo_parts.event_2026
    FOR EACH ROW EXECUTE FUNCTION zoo_trigger.write_log();
CREATE TRIGGER suppress BEFORE UPDATE ON zoo.many_blocks
    FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger();
-- Writes to its own log what is inserted: rows that come twice if it fires.
CREATE TABLE zoo_trigger.counted (id integer PRIMARY KEY, name text);
CREATE TRIGGER count_it AFTER INSERT ON zoo_trigger.counted
    FOR EACH ROW EXECUTE FUNCTION zoo_trigger.write_log('counted');
INSERT INTO zoo_trigger.counted SELECT g, 'c' || g FROM generate_series(1, 5) AS g;
