"""The largest transaction that the live move is meant for."""

import pytest

import wait
from live import Live

MIB = 1 << 20
INSERTED, CHANGED, DELETED = 2_000_000, 300_000, 200_000  # of each table
CONTENTS = "SELECT count(*), sum(id::bigint), sum(n::bigint), sum(hashint8extended(id, n)) FROM {}"


def peak(process):
    """VmHWM, in bytes."""
    with open(f"/proc/{process.pid}/status", encoding="ascii") as status:
        line, = (line for line in status if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


@pytest.mark.plain
@pytest.mark.timeout(900)
def test_a_transaction_of_five_million_rows_arrives_exactly_in_little_memory_and_leaves_no_spool(homeport, servers, taken_down):
    settings = {"wal_level": "logical", "max_wal_size": "8GB", "autovacuum": "off"}
    source, target = (servers.new(15, settings).create_db() for _ in range(2))
    source.script("".join(f"CREATE TABLE {table} (id int PRIMARY KEY, n int NOT NULL);" for table in ("a", "b", "after")))
    live, _ = taken_down(Live(homeport, source, target), None)
    live.start()
    live.caught_up()
    source.script("BEGIN;" + "".join(f"""
        INSERT INTO {table} SELECT g, g % 97 FROM generate_series(1, {INSERTED}) AS g;
        UPDATE {table} SET n = -n - 1 WHERE id <= {CHANGED};
        DELETE FROM {table} WHERE id > {INSERTED - DELETED};""" for table in ("a", "b")) + "COMMIT; INSERT INTO after VALUES (1, 1)")
    largest = 0

    def applied():
        nonlocal largest
        largest = max(largest, live.status()["spool_bytes"])
        return target.sql("SELECT id FROM after")
    wait.until(applied, 700, "it is applied")
    live.applied_past()
    for table in ("a", "b"):
        expected = source.sql(CONTENTS.format(table))
        assert expected[0][0] == INSERTED - DELETED
        assert target.sql(CONTENTS.format(table)) == expected
    assert largest > 4 * MIB
    # It goes when another segment has begun: with what a quiet source says of itself, every 15 s or so.
    wait.until(lambda: live.status()["spool_bytes"] < MIB, 90, lambda: f"the spool is empty: {live.status()}")
    left = sum(path.stat().st_size for path in (live.dir / "spool").rglob("*") if path.is_file())
    assert left < MIB, f"{left / MIB:.1f} MiB"
    assert peak(live.mover.process) < 128 * MIB, f"{peak(live.mover.process) / MIB:.0f} MiB"
    assert live.ok("cutover", "--rehearse")["verified"] is True
