"""Changes to a moved zoo, for zoo.py. Each is applied to the target alone.

MUTATIONS: verification must report a difference that names `object`, of one of `kinds`.
NO_DIFFERENCE: verification must report none.

Applied by zoo.mutate(), which keeps triggers and foreign keys from firing.
"""

import dataclasses

ROW = ("different", "missing", "extra", "count")  # how a changed row shows depends on the key
SCHEMA = ("schema",)
ANY = None


@dataclasses.dataclass(frozen=True)
class Mutation:
    name: str
    object: str
    kinds: tuple
    sql: str
    needs: str = ""  # "icu", "contrib", "zoo_ext": where the zoo has that
    min_version: int = 14


def row(name, table, sql, kinds=("different",), **more):
    return Mutation(name, table, kinds, sql.replace("TABLE", table), **more)


def schema(name, thing, sql, **more):
    return Mutation(name, thing, SCHEMA, sql, **more)


ODD = '"Odd ""Schema"".x"."Table.with ""quotes"" and \'more\'"'

ROWS_CHANGED = (
    row("value changed", "zoo_index.thing", "UPDATE TABLE SET name = 'changed' WHERE id = 77"),
    row("row deleted", "zoo.many_blocks", "DELETE FROM TABLE WHERE id = 20000", ("missing",)),
    row("row added", "zoo.serials", "INSERT INTO TABLE (note) VALUES ('n13')", ("extra",)),
    row("first row deleted", "zoo.text_key", "DELETE FROM TABLE WHERE code = ''", ("missing",)),
    row("last row deleted", "zoo.uses_sequence", "DELETE FROM TABLE WHERE id = (SELECT max(id) FROM TABLE)", ("missing",)),
    row("all rows deleted", "zoo.identity_default", "TRUNCATE TABLE", ROW),
    row("row where there was none", "zoo.no_row", "INSERT INTO TABLE VALUES (1, NULL)", ("extra",)),
    row("rows exchanged", "zoo.generated",
        "UPDATE TABLE SET name = CASE id WHEN 1 THEN ' Name 2' ELSE ' Name 1' END WHERE id IN (1, 2)"),
    row("NULL for an empty text", "zoo_values.texts", "UPDATE TABLE SET plain = NULL WHERE id = 1"),
    row("empty text for NULL", "zoo.storage", "UPDATE TABLE SET main = '' WHERE id = 3"),
    row("trailing space lost", "zoo_values.texts", "UPDATE TABLE SET limited = 'trail' WHERE id = 11"),
    row("line feed for carriage return and line feed", "zoo_values.texts",
        "UPDATE TABLE SET plain = replace(plain, E'\\r', '') WHERE id = 11"),
    row("another form of the same character", "zoo_values.texts",
        "UPDATE TABLE SET plain = normalize(plain, NFC) WHERE id = 8"),
    row("last character of a long text", "zoo_values.texts",
        "UPDATE TABLE SET plain = left(plain, -1) || 'X' WHERE id = 14"),
    row("one bit of a large bytea", "zoo_values.bytes", "UPDATE TABLE SET data = set_bit(data, 5000000, 1 - get_bit(data, 5000000)) WHERE id = 6"),
    row("length of a bit string", "zoo_values.bytes", "UPDATE TABLE SET several = B'00' WHERE id = 1"),
    row("1.0 for 1.00", "zoo_values.numbers", "UPDATE TABLE SET exact = 1.0 WHERE id = 6"),
    row("0 for -0.0", "zoo_values.numbers", "UPDATE TABLE SET double = 0 WHERE id = 5"),
    row("last digit of a double", "zoo_values.numbers", "UPDATE TABLE SET double = 0.3 WHERE id = 12"),
    row("zero for a denormal", "zoo_values.numbers", "UPDATE TABLE SET single = 0 WHERE id = 6"),
    row("NULL for NaN", "zoo_values.numbers", "UPDATE TABLE SET scaled = NULL WHERE id = 2"),
    row("a microsecond", "zoo_values.times", "UPDATE TABLE SET stamp_tz = stamp_tz + '1 microsecond' WHERE id = 5"),
    row("an hour of a zone that is equal in time", "zoo_values.times",
        "UPDATE TABLE SET clock_tz = '18:02:03.000004+09' WHERE id = 5"),
    # 30 days, a month and 720 hours are equal to the server's "=".
    row("30 days for a month", "zoo_values.times", "UPDATE TABLE SET span = '1 mon' WHERE id = 7"),
    row("infinity lost", "zoo_values.times", "UPDATE TABLE SET day = '5874897-12-31' WHERE id = 1"),
    row("number's digits in jsonb", "zoo_values.documents", "UPDATE TABLE SET binary_json = '1.5' WHERE id = 5"),
    row("spaces of json", "zoo_values.documents", "UPDATE TABLE SET text_json = '{\"a\": 1, \"b\": 2}' WHERE id = 7"),
    row("netmask", "zoo_values.network", "UPDATE TABLE SET host = '192.168.1.5/25' WHERE id = 2"),
    row("open for closed path", "zoo_values.shapes", "UPDATE TABLE SET closed = popen(closed) WHERE id = 1"),
    row("weight of a word", "zoo_values.searches", "UPDATE TABLE SET vector = setweight(vector, 'D') WHERE id = 2"),
    row("empty for unbounded range", "zoo_values.intervals_of", "UPDATE TABLE SET r4 = 'empty' WHERE id = 2"),
    row("inclusive for exclusive bound", "zoo_values.intervals_of", "UPDATE TABLE SET rt = '[2026-01-01,2026-01-02]' WHERE id = 3"),
    row("enum value", "zoo_values.own_types", "UPDATE TABLE SET mood = 'sad' WHERE id = 1"),
    row("NULL for a composite of NULLs", "zoo_values.own_types", "UPDATE TABLE SET nest = NULL WHERE id = 1"),
    row("array's bounds", "zoo_values.arrays", "UPDATE TABLE SET ints = '{{1,2},{3,NULL},{5,6}}' WHERE id = 3"),
    row("NULL for the text NULL in an array", "zoo_values.arrays", "UPDATE TABLE SET texts[2] = NULL WHERE id = 2"),
    row("empty for NULL array", "zoo_values.arrays", "UPDATE TABLE SET blobs = '{}' WHERE id = 3"),
    row("object by name", "zoo_values.catalogue", "UPDATE TABLE SET class = 'zoo_values.bytes' WHERE id = 1"),
    row("more of a duplicate", "zoo.no_key", "INSERT INTO TABLE VALUES (2, 'twice')", ("count", "extra")),
    row("fewer rows without a column", "zoo.no_column", "DELETE FROM TABLE WHERE ctid = (SELECT min(ctid) FROM TABLE)", ("count", "missing")),
    row("duplicate for another row", "zoo.identity_full", "UPDATE TABLE SET a = 2, b = NULL WHERE ctid = (SELECT min(ctid) FROM TABLE)", ROW),
    row("row of NULLs", "zoo.no_key", "DELETE FROM TABLE WHERE ctid = (SELECT min(ctid) FROM TABLE WHERE a IS NULL)", ("count", "missing")),
    row("unlogged table's row", "zoo.unlogged", "DELETE FROM TABLE WHERE id = 1", ("missing",)),
    row("key's letter case", "zoo.blind_key", "UPDATE TABLE SET code = 'ALPHA' WHERE code = 'alpha'", ROW, needs="icu"),
    row("key that is equal and written otherwise", "zoo.float_key", "UPDATE TABLE SET f = 0 WHERE f = 0", ROW),
    row("numeric key's digits", "zoo.wide_key", "UPDATE TABLE SET d = round(d, 18) WHERE v = 'v3'", ROW),
    row("last of 1200 columns", "zoo.wide", "UPDATE TABLE SET c1200 = 0 WHERE c1 = 20"),
    row("oddly named table and column", ODD, "UPDATE TABLE SET \"with space\" = NULL WHERE \"Id\" = 25"),
    row("row of a partition", "zoo_parts.event", "DELETE FROM TABLE WHERE at = 'infinity'", ("missing",)),
    row("NULL's partition", "zoo_parts.region", "UPDATE TABLE SET n = 0 WHERE code IS NULL", ROW),
    row("row of an enum's partition", "zoo_parts.by_mood", "DELETE FROM TABLE WHERE id = 100", ("missing",)),
    # SELECT * FROM zoo.animal is the same before and after.
    row("row given to a child", "zoo.animal",
        "DELETE FROM ONLY zoo.animal WHERE id = 2; INSERT INTO zoo.fish VALUES (2, 'nobody', NULL)", ("missing",)),
    row("hstore's NULL", "zoo_ext.contrib_values", "UPDATE TABLE SET pairs = pairs OPERATOR(contrib.||) contrib.hstore('a \"q\"', 'NULL') WHERE id = 2", needs="contrib"),
    row("citext's case", "zoo_ext.contrib_values", "UPDATE TABLE SET blind = 'mixed' WHERE id = 2", needs="contrib"),
    row("citext key's case", "zoo_ext.citext_key", "UPDATE TABLE SET name = 'Gamma' WHERE v = 3", ROW, needs="contrib"),
    row("extension's configuration", "zoo_ext.setting", "DELETE FROM TABLE WHERE key = 'another'", ("missing",), needs="zoo_ext"),
    row("row made by a trigger", "zoo_trigger.log", "INSERT INTO TABLE (what) VALUES ('fired')", ("extra",)),
)

# What is neither a row of a table nor of the schema.
OTHERS_CHANGED = (
    Mutation("sequence's value", "zoo.called_once", ("sequence",), "SELECT setval('zoo.called_once', 3)"),
    Mutation("sequence is called", "zoo.set_not_called", ("sequence",), "SELECT setval('zoo.set_not_called', 500, true)"),
    Mutation("identity's value", "zoo.identity_always", ("sequence",),
             "SELECT setval(pg_get_serial_sequence('zoo.identity_always', 'id'), 10)"),
    Mutation("oddly named sequence", "Odd \"\"sequence", ("sequence",), "SELECT setval('zoo.\"Odd \"\"sequence\"\" 100%\"', 34)"),
    Mutation("large object's content", "900003", ANY, "SELECT lo_put(900003, 3000000, 'x')"),
    Mutation("large object's length", "900001", ANY, "SELECT lo_put(900001, 4, '\\x00')"),
    Mutation("large object lost", "900004", ANY, "SELECT lo_unlink(900004)"),
    Mutation("large object added", "900099", ANY, "SELECT lo_from_bytea(900099, '')"),
    Mutation("materialised view emptied", "zoo_views.totals", ANY, "REFRESH MATERIALIZED VIEW zoo_views.totals WITH NO DATA"),
    Mutation("materialised view filled", "zoo_views.unpopulated", ANY, "REFRESH MATERIALIZED VIEW zoo_views.unpopulated"),
)

SCHEMA_CHANGED = (
    schema("index lost", "ordered", "DROP INDEX zoo_index.ordered"),
    schema("index's order", "with_collation", "DROP INDEX zoo_index.with_collation; CREATE INDEX with_collation ON zoo_index.thing (name COLLATE \"C\", code COLLATE \"POSIX\")"),
    schema("index's condition", "partial", "DROP INDEX zoo_index.partial; CREATE INDEX partial ON zoo_index.thing (n) WHERE flag"),
    schema("index's option", "with_options", "ALTER INDEX zoo_index.with_options RESET (fillfactor)"),
    schema("index of a partition lost", "event_own", "DROP INDEX zoo_parts.event_own"),
    schema("index renamed", "hashed", "ALTER INDEX zoo_index.hashed RENAME TO hash_ed"),
    schema("index added", "one_more", "CREATE INDEX one_more ON zoo.serials (note)"),
    schema("index of a materialised view lost", "totals_expression", "DROP INDEX zoo_views.totals_expression"),
    schema("clustered no longer", "thing", "ALTER TABLE zoo_index.thing SET WITHOUT CLUSTER"),
    schema("policy lost", "own_rows", "DROP POLICY own_rows ON zoo_secure.account"),
    schema("policy's condition", "insert_own", "ALTER POLICY insert_own ON zoo_secure.account WITH CHECK (true)"),
    schema("policy's roles", "with_subquery", "ALTER POLICY with_subquery ON zoo_secure.account TO zoo_reader"),
    schema("row security off", "locked", "ALTER TABLE zoo_secure.locked DISABLE ROW LEVEL SECURITY"),
    schema("row security not forced", "account", "ALTER TABLE zoo_secure.account NO FORCE ROW LEVEL SECURITY"),
    schema("trigger lost", "transition", "DROP TRIGGER transition ON zoo_trigger.target"),
    schema("trigger disabled", "each_statement", "ALTER TABLE zoo_trigger.target DISABLE TRIGGER each_statement"),
    schema("trigger enabled", "switched_off", "ALTER TABLE zoo_trigger.target ENABLE TRIGGER switched_off"),
    schema("trigger always no longer", "always", "ALTER TABLE zoo_trigger.target ENABLE TRIGGER always"),
    schema("event trigger lost", "zoo \"drop\"", "DROP EVENT TRIGGER \"zoo \"\"drop\"\"\""),
    schema("event trigger enabled", "zoo_rewrite", "ALTER EVENT TRIGGER zoo_rewrite ENABLE"),
    schema("default changed", "altered", "ALTER TABLE zoo.altered ALTER fast SET DEFAULT 'for new  rows'"),
    schema("default lost", "uses_sequence", "ALTER TABLE zoo.uses_sequence ALTER id DROP DEFAULT"),
    schema("not null lost", "not_null_without_key", "ALTER TABLE zoo_rules.not_null_without_key ALTER b DROP NOT NULL"),
    schema("column's type", "system", "ALTER TABLE zoo_values.system ALTER cursor TYPE text"),
    schema("column's length", "altered", "ALTER TABLE zoo.altered ALTER name TYPE varchar(31)"),
    schema("column's storage", "storage", "ALTER TABLE zoo.storage ALTER external SET STORAGE EXTENDED"),
    schema("column's statistics target", "storage", "ALTER TABLE zoo.storage ALTER extended SET STATISTICS 251"),
    schema("column added", "no_row", "ALTER TABLE zoo.no_row ADD extra integer"),
    schema("column lost", "wide", "ALTER TABLE zoo.wide DROP c1199"),
    schema("column renamed", "Case", "ALTER TABLE zoo.\"Case\" RENAME id TO \"Id\""),
    schema("generated no longer", "generated", "ALTER TABLE zoo.generated ALTER normal DROP EXPRESSION"),
    schema("identity no longer", "identity_default", "ALTER TABLE zoo.identity_default ALTER id DROP IDENTITY"),
    schema("identity by default", "identity_always", "ALTER TABLE zoo.identity_always ALTER id SET GENERATED BY DEFAULT"),
    schema("table lost", "childless", "DROP TABLE zoo_parts.childless"),
    schema("table added", "one_more_table", "CREATE TABLE zoo.one_more_table ()"),
    schema("table logged", "unlogged", "ALTER TABLE zoo.unlogged SET LOGGED"),
    schema("table's option", "storage", "ALTER TABLE zoo.storage SET (fillfactor = 71)"),
    schema("replica identity", "identity_full", "ALTER TABLE zoo.identity_full REPLICA IDENTITY DEFAULT"),
    schema("inherits no longer", "fish", "ALTER TABLE zoo.fish NO INHERIT zoo.animal"),
    schema("partition detached", "region_north", "ALTER TABLE zoo_parts.region DETACH PARTITION zoo_parts.region_north"),
    schema("check lost", "boss_not_self", "ALTER TABLE zoo_rules.person DROP CONSTRAINT boss_not_self"),
    schema("foreign key lost", "head_is_person", "ALTER TABLE zoo_rules.department DROP CONSTRAINT head_is_person"),
    schema("foreign key's action", "to_index", "ALTER TABLE zoo_rules.child DROP CONSTRAINT to_index, ADD CONSTRAINT to_index FOREIGN KEY (d) REFERENCES zoo_rules.parent (d) ON DELETE CASCADE DEFERRABLE"),
    schema("constraint not valid", "full_match", "ALTER TABLE zoo_rules.child DROP CONSTRAINT full_match, ADD CONSTRAINT full_match FOREIGN KEY (a, b) REFERENCES zoo_rules.parent MATCH FULL ON UPDATE CASCADE ON DELETE CASCADE NOT VALID"),
    schema("constraint deferred no longer", "uniques_b_key", "ALTER TABLE zoo_rules.uniques DROP CONSTRAINT uniques_b_key, ADD CONSTRAINT uniques_b_key UNIQUE (b)"),
    schema("primary key lost", "late_domain", "ALTER TABLE zoo_rules.late_domain DROP CONSTRAINT late_domain_pkey"),
    schema("exclusion lost", "as_unique", "ALTER TABLE zoo_rules.bookings DROP CONSTRAINT as_unique"),
    schema("nulls distinct", "nulls", "ALTER TABLE zoo_15.nulls DROP CONSTRAINT nulls_a_b_key, ADD CONSTRAINT nulls_a_b_key UNIQUE (a, b)", min_version=15),
    schema("function's body", "quoting", "CREATE OR REPLACE FUNCTION zoo_code.quoting() RETURNS text LANGUAGE plpgsql AS 'BEGIN RETURN NULL;END'"),
    schema("function's volatility", "is_even", "ALTER FUNCTION zoo_code.is_even(integer) VOLATILE"),
    schema("function's setting", "many_out", "ALTER FUNCTION zoo_code.many_out(integer) RESET work_mem"),
    schema("one of several functions lost", "add_one", "DROP FUNCTION zoo_code.add_one(numeric)"),
    schema("procedure lost", "sql_procedure", "DROP PROCEDURE zoo_code.sql_procedure(text)"),
    schema("aggregate lost", "my_percentile", "DROP AGGREGATE zoo_code.my_percentile(double precision ORDER BY anyelement)"),
    schema("operator lost", "@#@", "DROP OPERATOR zoo_code.@#@ (NONE, integer)"),
    schema("cast lost", "point3", "DROP CAST (zoo_types.point3 AS text)"),
    schema("enum's order", "unused", "DROP TYPE zoo_types.unused; CREATE TYPE zoo_types.unused AS ENUM ('first', 'third', 'second')"),
    schema("enum's label added", "no_label", "ALTER TYPE zoo_types.no_label ADD VALUE 'one'"),
    schema("domain's check lost", "positive", "ALTER DOMAIN zoo_types.positive DROP CONSTRAINT \"not 13\""),
    schema("domain's default", "small_positive", "ALTER DOMAIN zoo_types.small_positive SET DEFAULT 8"),
    schema("composite's attribute", "changed", "ALTER TYPE zoo_types.changed RENAME ATTRIBUTE c TO d"),
    schema("view lost", "on_needs_key", "DROP VIEW zoo_views.on_needs_key"),
    schema("view's definition", "second", "CREATE OR REPLACE VIEW zoo_views.second (a, \"B\") AS SELECT id, lower(name) FROM zoo_views.first"),
    schema("view's option", "writable", "ALTER VIEW zoo_views.writable RESET (security_barrier)"),
    schema("rule lost", "no_delete", "DROP RULE no_delete ON zoo_views.ruled"),
    schema("rule disabled", "also_log", "ALTER TABLE zoo_views.ruled DISABLE RULE also_log"),
    schema("comment lost", "storage", "COMMENT ON TABLE zoo.storage IS NULL"),
    schema("comment changed", "partial", "COMMENT ON INDEX zoo_index.partial IS 'an index with another condition'"),
    schema("grant lost", "no_key", "REVOKE SELECT ON zoo.no_key FROM zoo_admin"),
    schema("grant added", "text_key", "GRANT SELECT ON zoo.text_key TO zoo_reader"),
    schema("column's grant lost", "account", "REVOKE UPDATE (note) ON zoo_secure.account FROM zoo_writer"),
    schema("function open to everybody", "add_one", "GRANT EXECUTE ON FUNCTION zoo_code.add_one(integer) TO PUBLIC"),
    schema("default right lost", "zoo_owner", "ALTER DEFAULT PRIVILEGES FOR ROLE zoo_owner REVOKE SELECT ON TABLES FROM zoo_reader"),
    schema("table's owner", "serials", "ALTER TABLE zoo.serials OWNER TO zoo_writer"),
    schema("schema's owner", "zoo_views", "ALTER SCHEMA zoo_views OWNER TO zoo_owner"),
    schema("large object's owner", "900002", "ALTER LARGE OBJECT 900002 OWNER TO zoo_writer"),
    schema("statistics object lost", "two_kinds", "DROP STATISTICS zoo_index.two_kinds"),
    schema("statistics object's target", "all_kinds", "ALTER STATISTICS zoo_index.all_kinds SET STATISTICS 43"),
    schema("sequence's step", "downwards", "ALTER SEQUENCE zoo.downwards INCREMENT -4"),
    schema("sequence owned no longer", "owned_elsewhere", "ALTER SEQUENCE zoo.owned_elsewhere OWNED BY NONE"),
    schema("publication lost", "zoo_some", "DROP PUBLICATION zoo_some"),
    schema("published operations", "zoo_everything", "ALTER PUBLICATION zoo_everything SET (publish = 'insert, truncate')"),
    schema("text search mapping lost", "my_config", "ALTER TEXT SEARCH CONFIGURATION zoo_search.my_config DROP MAPPING FOR host"),
    schema("server's option", "zoo_wrapper", "ALTER FOREIGN DATA WRAPPER zoo_wrapper OPTIONS (SET debug 'false')"),
    schema("user mapping lost", "zoo server", "DROP USER MAPPING FOR PUBLIC SERVER \"zoo server\""),
    schema("extension lost", "tablefunc", "DROP EXTENSION tablefunc", needs="contrib"),
    schema("schema lost", "zoo_empty", "DROP SCHEMA zoo_empty"),
)

MUTATIONS = ROWS_CHANGED + OTHERS_CHANGED + SCHEMA_CHANGED

NO_DIFFERENCE = (
    Mutation("rows in another order", "", (), "CLUSTER zoo_index.thing USING ordered; ALTER TABLE zoo_index.thing CLUSTER ON by_enum"),
    Mutation("rows written anew", "", (), "UPDATE zoo.no_key SET a = a; UPDATE zoo_values.texts SET plain = plain || ''"),
    Mutation("statistics", "", (), "ANALYZE; VACUUM zoo.many_blocks"),
    Mutation("indexes built anew", "", (), "REINDEX TABLE zoo_index.thing"),
    Mutation("gaps in the column numbers", "", (), "ALTER TABLE zoo.no_row ADD gone integer; ALTER TABLE zoo.no_row DROP gone"),
    Mutation("a temporary table", "", (), "CREATE TEMP TABLE no_key (a integer)"),
    Mutation("server's settings", "", (), "ALTER DATABASE CURRENT SET DateStyle = 'German'; ALTER DATABASE CURRENT SET TimeZone = 'Asia/Kathmandu';"
             " ALTER DATABASE CURRENT SET extra_float_digits = -5; ALTER DATABASE CURRENT SET bytea_output = 'escape';"
             " ALTER DATABASE CURRENT SET IntervalStyle = 'iso_8601'; ALTER DATABASE CURRENT SET quote_all_identifiers = on;"
             " ALTER DATABASE CURRENT SET search_path = 'select'; ALTER DATABASE CURRENT SET row_security = off"),
)
