-- A subscription, apart from zoo.sql: a database that has one cannot be
-- dropped before it. It never connects.
\set ON_ERROR_STOP on
CREATE SUBSCRIPTION zoo_subscription
    CONNECTION 'host=127.0.0.1 port=1 dbname=nowhere user=nobody password=kept-to-itself'
    PUBLICATION zoo_far, "Far ""away"""
    WITH (connect = false, enabled = false, slot_name = NONE, create_slot = false);
COMMENT ON SUBSCRIPTION zoo_subscription IS 'a subscription';
