"""Clients of the gateway through cutover and rollback: none of their requests fails, and what they were
told is written is there."""

import contextlib
import socket
import threading
import time

import wait
from gateway import Client, Gateway
from live import Live

TABLE = "CREATE TABLE note (id text PRIMARY KEY, body text); ALTER TABLE note OWNER TO app"


class Writer(threading.Thread):
    """One keep-alive connection to POST /sql, one write after the other."""

    def __init__(self, gateway, number, stopping):
        super().__init__(daemon=True)
        self.gateway = gateway
        self.number = number
        self.stopping = stopping
        self.written = []
        self.failed = []
        self.longest = 0.0

    def run(self):
        with contextlib.closing(Client(self.gateway)) as client:
            while not self.stopping.wait(0.005):
                token = f"{self.number}-{len(self.written)}"
                started = time.monotonic()
                status, body = client.query("INSERT INTO note VALUES ($1, $2)", [token, "x"])
                self.longest = max(self.longest, time.monotonic() - started)
                if status != 200:
                    self.failed.append((status, body))
                    return
                self.written.append(token)


def journals(servers):
    """The databases of an app, whose role both servers have."""
    made = []
    for name in ("source", "target"):
        server = servers.get(15, name)
        if not server.sql("SELECT 1 FROM pg_roles WHERE rolname = 'app'"):
            server.sql("CREATE ROLE app LOGIN PASSWORD 'pw-of-role'")
        made.append(server.create_db("journal", "OWNER app"))
    made[0].script(TABLE)
    return made


def test_no_request_of_a_gateways_client_fails_through_cutover_and_rollback(homeport, servers):
    source, target = journals(servers)
    gateway = Gateway(homeport, source.server, database=source)
    live = Live(homeport, source, target, env={"HOMEPORT_GATEWAY_ADMIN": gateway.admin})
    stopping = threading.Event()
    writers = [Writer(gateway, number, stopping) for number in range(4)]
    try:
        for writer in writers:
            writer.start()
        live.start()
        live.caught_up()
        for verb in ("cutover", "rollback", "cutover"):
            before = [len(writer.written) for writer in writers]
            live.ok(verb)
            wait.until(lambda before=before: all(w.failed or len(w.written) > b + 20 for w, b in zip(writers, before)),
                       30, f"writers go on after {verb}")
            assert [writer.failed for writer in writers] == [[], [], [], []], verb
    finally:
        stopping.set()
        for writer in writers:
            writer.join()
    written = sorted(token for writer in writers for token in writer.written)
    assert sorted(row[0] for row in target.sql("SELECT id FROM note")) == written
    live.applied_past(target)
    assert sorted(row[0] for row in source.sql("SELECT id FROM note")) == written
    assert max(writer.longest for writer in writers) < 10
    # A state that was lost must not lead back to the source, which the configuration still names.
    other = [option for option in gateway.options if not option.startswith(("--dir", "--admin"))]
    result = homeport("gateway", *other, "--dir", live.dir)
    assert result.rc == 1 and "has come from" in result.err
    live.ok("finish")
    assert live.mover.wait().rc == 0
    assert gateway.stop().rc == 0


def test_rule_32_gateway_is_switched_back_where_the_owners_command_hangs_and_fails(homeport, servers):
    source, target = journals(servers)
    gateway = Gateway(homeport, source.server, database=source)
    live = Live(homeport, source, target, env={"HOMEPORT_GATEWAY_ADMIN": gateway.admin})
    stopping = threading.Event()
    writer = Writer(gateway, 0, stopping)
    try:
        writer.start()
        live.start()
        live.caught_up()
        result = live.run("cutover", "--on-switch", "test $HOMEPORT_DIRECTION = forward && exit 6; sleep 5; exit 7",
                          "--on-resume", "exit 8")
        assert result.rc == 1, str(result)
        assert all(status in result.err for status in ("status 6", "status 7", "status 8")), str(result)
        before = len(writer.written)
        wait.until(lambda: len(writer.written) > before + 20, 30, "writers go on")
    finally:
        stopping.set()
        writer.join()
    assert writer.failed == [] and writer.longest < 4
    assert sorted(row[0] for row in source.sql("SELECT id FROM note")) == sorted(writer.written)
    live.stop()
    assert gateway.stop().rc == 0


def test_a_cutover_without_the_gateway_that_is_configured_changes_nothing(homeport, servers):
    source_server, target_server = servers.get(15, "source"), servers.get(15, "target")
    source = source_server.create_db("journal")
    target = target_server.create_db("journal")
    source.script(TABLE.replace("ALTER TABLE note OWNER TO app", ""))
    live = Live(homeport, source, target, env={"HOMEPORT_GATEWAY_LISTEN_HTTP": "127.0.0.1:8080"})
    live.start()
    live.caught_up()

    def refused(text):
        """Before anything was begun that would have to be undone."""
        result = live.run("cutover")
        assert result.rc == 1 and text in result.err, result
        assert "undone" not in result.err and "gateway pause" not in result.err
        assert target_server.value("SELECT count(*) FROM pg_replication_slots") == 0
    refused("the gateway is not running")
    source.sql("INSERT INTO note VALUES ('a', 'b')")
    live.caught_up()
    live.stop()
    # The same where its state lies in the work folder.
    live.env = None
    (live.dir / "gateway.json").write_text("{}", encoding="utf-8")
    live.start()
    live.caught_up()
    refused("the gateway is not running")
    (live.dir / "gateway.json").unlink()
    # Its socket is there still, and nobody behind it.
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(live.dir / "gateway.sock"))
    refused("no gateway answers on")
    (live.dir / "gateway.sock").unlink()
    live.ok("cutover")
    live.ok("finish")
    assert live.mover.wait().rc == 0
