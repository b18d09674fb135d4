"""How large it gets: values that libpq can just hold, tables far larger than the memory of the program."""

import pytest

from moving import Move

MIB = 1 << 20
MEMORY = 64 * MIB  # whatever the size; and twice the largest row, which libpq holds whole
VALUE = 200 * MIB

# Each part of them is another one, so that a slice lost, repeated or exchanged shows.
TEXT = f"(SELECT string_agg(md5(g::text), '') FROM generate_series(1, {VALUE // 32}) AS g)"
BYTES = f"(SELECT string_agg(sha512(g::text::bytea), '') FROM generate_series(1, {VALUE // 64}) AS g)"


def sums(database, table):
    return database.sql(f"SELECT id, octet_length(v), md5(v) FROM {table} ORDER BY id")


@pytest.mark.plain
@pytest.mark.parametrize("kind, value", (("text", TEXT), ("bytea", BYTES)), ids=("text", "bytea"))
def test_values_of_200_mb_arrive_exactly(homeport, pair, kind, value):
    """Verified as well, which must not hold more than the copy."""
    source, target = pair(15, 15)
    source.script(f"CREATE TABLE large (id integer PRIMARY KEY, v {kind}); ALTER TABLE large ALTER v SET STORAGE EXTERNAL;"
                  f"INSERT INTO large VALUES (1, 'before'), (2, {value}), (3, NULL), (4, 'after')")
    result = Move(homeport, source, target, verify=True).ok(timeout=170, measured=True)
    assert result.json["verified"] is True
    expected = sums(source, "large")
    assert expected[1][1] == VALUE
    assert sums(target, "large") == expected
    assert result.max_rss < MEMORY + 2 * VALUE, f"{result.max_rss / MIB:.0f} MiB"


@pytest.mark.plain
def test_memory_does_not_grow_with_a_table_of_small_rows(homeport, pair):
    """300 MB in ranges, by more workers than there are processors."""
    source, target = pair(15, 15)
    source.script("CREATE TABLE small (id bigint, v text); ALTER TABLE small SET (autovacuum_enabled = false);"
                  "INSERT INTO small SELECT g, repeat(md5(g::text), 5) FROM generate_series(1, 1500000) AS g")
    assert source.value("SELECT pg_table_size('small')") > 300_000_000
    result = Move(homeport, source, target, "--jobs", "4", "--split-bytes", "40MB").ok(timeout=170, measured=True)
    count = "SELECT count(*), sum(id), sum(hashtextextended(v, id)) FROM small"
    assert target.sql(count) == source.sql(count)
    assert result.max_rss < MEMORY, f"{result.max_rss / MIB:.0f} MiB"


@pytest.mark.plain
@pytest.mark.parametrize("tables, rows, size", ((3, 1, VALUE), (4, 4, 31 * MIB)), ids=("200 MB", "31 MB"))
def test_tables_with_large_values_go_one_at_a_time(homeport, pair, tables, rows, size):
    """Beside the parts of one with small rows. Blocks of just under 32 MB are those that malloc would keep."""
    source, target = pair(15, 15)
    names = [f"large{i}" for i in range(tables)]
    source.script(
        f"CREATE TABLE value AS SELECT repeat(string_agg(md5(g::text), ''), {size // MIB}) AS v"
        f" FROM generate_series(1, {MIB // 32}) AS g;"
        + "".join(
            f"CREATE TABLE {name} (id integer PRIMARY KEY, v text); ALTER TABLE {name} ALTER v SET STORAGE EXTERNAL;"
            f"INSERT INTO {name} SELECT g, g || '{name}' || v FROM value, generate_series(1, {rows}) AS g;"
            f"INSERT INTO {name} VALUES (0, 'after');"
            for name in names)
        + "DROP TABLE value; CREATE TABLE small AS SELECT g AS id, repeat(md5(g::text), 5) AS v FROM generate_series(1, 300000) AS g")
    result = Move(homeport, source, target, "--jobs", "4", "--split-bytes", "20MB").ok(timeout=170, measured=True)
    for name in names:
        assert sums(target, name) == sums(source, name)
    count = "SELECT count(*), sum(id), sum(hashtextextended(v, id)) FROM small"
    assert target.sql(count) == source.sql(count)
    assert result.max_rss < MEMORY + 2 * size, f"{result.max_rss / MIB:.0f} MiB"


def test_rule_8_a_table_is_frozen_where_it_is_whole_and_vacuumed_before_its_foreign_keys_where_it_is_split(homeport, pair):
    """Either way the foreign key is checked on a table of which every page is known to be visible."""
    source, target = pair(15, 15)
    source.script("CREATE TABLE whole (id integer PRIMARY KEY) WITH (autovacuum_enabled = false);"
                  "INSERT INTO whole SELECT generate_series(1, 500);"
                  "CREATE TABLE split (id integer PRIMARY KEY, whole integer REFERENCES whole, v text) WITH (autovacuum_enabled = false);"
                  "INSERT INTO split SELECT g, g % 500 + 1, repeat(md5(g::text), 5) FROM generate_series(1, 10000) AS g")
    target.server.sql(f'ALTER DATABASE "{target.name}" SET log_statement = \'all\'')
    begun = len(target.server.log())
    Move(homeport, source, target, "--jobs", "2", "--split-bytes", "500kB").ok()
    log = target.server.log()[begun:]
    copies = {table: [line for line in log.splitlines() if f'COPY "public"."{table}" ' in line] for table in ("whole", "split")}
    assert len(copies["whole"]) == 1 and "FREEZE" in copies["whole"][0], copies
    assert len(copies["split"]) > 1 and not any("FREEZE" in copy for copy in copies["split"]), copies
    assert 0 < log.index('VACUUM (ANALYZE) "public"."split"') < log.index("ADD CONSTRAINT split_whole_fkey")
    assert 'VACUUM (ANALYZE) "public"."whole"' not in log
    target.sql("CREATE EXTENSION pg_visibility")
    assert target.value("SELECT count(*) FROM pg_visibility_map('whole') WHERE NOT all_frozen") == 0
    assert target.value("SELECT count(*) FROM pg_visibility_map('split') WHERE NOT all_visible") == 0
