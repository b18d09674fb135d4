"""A server behind the gateway that is silent, slow, out of step or gone, and what clients see of it."""

import contextlib
import json
import struct
import threading
import time

import pytest

import gateway as gw
import relay


@pytest.fixture
def through(servers):
    one = relay.Relay(servers.get(15, "target"))
    yield one
    one.close()


def gateway(homeport, through, *options):
    return gw.Gateway(homeport, through.server, f"--upstream={through.url}", "--threads=1", *options)


def begin_login(gate, **params):
    """A WebSocket that has said all it has to say, and waits for its welcome."""
    ws = gw.WebSocket(gate)
    ws.send(gw.startup(user=gate.role, database=gate.db.name, **params) + gw.message(b"p", gate.password.encode() + b"\0"))
    return ws


# -- silent

def test_cancels_that_hang_hold_up_no_login_and_no_stop(homeport, through):
    gate = gateway(homeport, through, "--pool-size=30", "--drain-ms=1000")
    assert gate.query("select 1")[0] == 200
    through.silent_to_cancels = True
    clients = [gate.client() for _ in range(16)]
    for client in clients:
        client.send(json.dumps({"query": "select pg_sleep(600)"}))
    gw.eventually(gate, lambda: gate.metric("pool_busy") == 16, "all are at work")
    for client in clients:
        client.close()
    gw.eventually(gate, lambda: gate.metric("cancels_total") == 16 and through.cancels > 0, "all were given up")
    assert gate.query("select 2")[0] == 200
    with contextlib.closing(begin_login(gate)) as session:
        assert session.until(b"Z")[-1] == (b"Z", b"I")
    assert gate.stop(15).rc == 0


def test_logins_of_clients_that_have_left_are_not_made(homeport, through):
    gate = gateway(homeport, through)
    with contextlib.closing(begin_login(gate)) as first:
        first.until(b"Z")
    through.is_silent_to = lambda startup: True
    sessions = [begin_login(gate) for _ in range(60)]
    gw.eventually(gate, lambda: through.logins >= 12, "the first of them are on their way")
    for session in sessions:
        session.close()
    gw.eventually(gate, lambda: gate.ask("status").json["sessions"] == 0, "they are gone")
    through.is_silent_to = lambda startup: False
    begun = time.monotonic()
    with contextlib.closing(begin_login(gate)) as last:
        last.until(b"Z")
    assert time.monotonic() - begun < 5
    assert through.logins < 40


def test_a_silent_server_is_a_503_in_time_and_found_again(homeport, through):
    gate = gateway(homeport, through, "--queue-ms=500")
    through.is_silent_to = lambda startup: True
    begun = time.monotonic()
    status, body = gate.query("select 1")
    assert (status, body["message"]) == (503, "no connection became free in time")
    assert time.monotonic() - begun < 5
    through.is_silent_to = lambda startup: False
    gw.eventually(gate, lambda: gate.query("select 1")[0] == 200, "it is served again")


def test_a_login_that_hangs_holds_up_nobody_with_another_password(homeport, through):
    gate = gateway(homeport, through)
    client, other = gate.client(), gate.client()
    assert client.query("select 1")[0] == 200
    through.is_silent_to = lambda startup: True
    other.send(json.dumps({"query": "select 1"}), url=gate.url(password="another"))
    gw.eventually(gate, lambda: through.logins == 2, "it hangs")
    hits = gate.metric("pool_hits_total")
    for _ in range(10):
        assert client.query("select 1")[0] == 200
    assert gate.metric("pool_hits_total") == hits + 10


@pytest.mark.parametrize("steps", [("switch",), ("pause", "switch", "resume")])
def test_what_waits_for_a_silent_server_is_served_by_the_next_one(homeport, through, steps):
    gate = gateway(homeport, through)
    through.is_silent_to = lambda startup: True
    client, session = gate.client(), begin_login(gate)
    client.send(json.dumps({"query": "select 'here'"}))
    gw.eventually(gate, lambda: through.logins == 2, "both logins are on their way")
    begun = time.monotonic()
    for step in steps:
        to = [f"--to=postgresql://127.0.0.1:{through.server.port}/"] if step == "switch" else []
        assert gate.ask(step, *to).rc == 0
    status, body = client.receive()
    assert (status, body["rows"]) == (200, [["here"]])
    assert session.until(b"Z")[-1] == (b"Z", b"I")
    assert time.monotonic() - begun < 5
    assert gate.query("select 1")[0] == 200
    session.close()


def test_clients_are_not_told_where_the_server_is_that_the_log_names(homeport, servers):
    server = servers.new(15)
    gate = gw.Gateway(homeport, server)
    server.stop()
    for _ in range(2):
        status, body = gate.query("select 1")
        assert (status, body["code"], body["message"]) == (500, "08006", "cannot connect to the database: Connection refused")
        assert str(server.port) not in json.dumps(body) and "127.0.0.1" not in json.dumps(body)
    with contextlib.closing(begin_login(gate)) as session:
        said = gw.fields(session.until(b"E")[-1][1])
    assert said["M"] == "cannot connect to the database: Connection refused", said
    assert gate.stop().rc == 0
    log = gate.run.wait().err
    assert log.count("the upstream could not be reached") == 1 and f"port {server.port} failed: Connection refused" in log


# -- out of step, and lost

SPOILED = {
    "another tag": (b"DISCARD ALL\0", b"DISCARD ABC\0"),
    "no end of the transaction": (b"DISCARD ALL\0Z\0\0\0\5I", b"DISCARD ALL\0Z\0\0\0\5T"),
    "a row": (b"C\0\0\0\x10DISCARD ALL\0", b"D\0\0\0\x10\0\1\0\0\0\6DISCAR"),
}


@pytest.mark.parametrize("lie", SPOILED.values(), ids=SPOILED)
def test_a_connection_whose_reset_failed_answers_nobody(homeport, through, lie):
    gate = gateway(homeport, through, "--pool-size=1")
    seen, go = threading.Event(), threading.Event()

    def spoil(data):
        if lie[0] in data:
            seen.set()
            go.wait(30)
            data = data.replace(*lie)
        return data
    through.from_server = spoil
    client = gate.client()
    assert client.query("select pg_backend_pid()")[0] == 200
    seen.wait(30)
    client.send(json.dumps({"query": "select 'behind it'"}))
    gw.eventually(gate, lambda: gate.metric("pool_busy") == 1, "the next one has the same connection")
    go.set()
    status, body = client.receive()
    assert (status, body["code"]) == (500, "08006") and "could not be cleaned" in body["message"]
    through.from_server = lambda data: data
    assert client.query("select 1")[0] == 200
    assert through.logins == 2


def test_a_stranger_that_is_asked_who_he_is_spoils_no_connection_for_the_next_one(homeport, through):
    gate = gateway(homeport, through, "--pool-size=1")
    seen, go = threading.Event(), threading.Event()

    def hold(data):
        if b"DISCARD ALL" in data:
            seen.set()
            go.wait(30)
        return data
    through.from_server = hold
    client, stranger = gate.client(), gate.client("127.0.0.2")
    assert client.query("select 1")[0] == 200
    seen.wait(30)
    stranger.conn.putrequest("POST", "/sql")
    headers = {"neon-connection-string": gate.url(), "content-length": str(2 << 20), "expect": "100-continue"}
    for name, value in headers.items():
        stranger.conn.putheader(name, value)
    stranger.conn.endheaders()
    assert stranger.conn.sock.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
    client.send(json.dumps({"query": "select 'behind it'"}))
    gw.eventually(gate, lambda: gate.metric("pool_busy") == 1, "the next one has the same connection")
    go.set()
    status, body = client.receive()
    assert (status, body.get("rows")) == (200, [["behind it"]]), body
    assert through.logins == 1
    stranger.close()


def executed(gate, value):
    return gate.server.sql("SELECT count(*) FROM once WHERE v = %s", (value,), dbname=gate.db.name)[0][0]


def test_a_connection_lost_at_commit_is_an_unknown_outcome_and_nothing_is_sent_twice(homeport, servers, proxy):
    server = servers.get(15, "target")
    cut = proxy(server)
    gate = gw.Gateway(homeport, server, f"--upstream=postgresql://127.0.0.1:{cut.port}/", "--threads=1")
    client = gate.client()
    assert client.query("create table once (v int)")[0] == 200
    cut.lose_answer_to("COMMIT")
    status, body = client.batch("insert into once values (1)")
    assert (status, body["code"]) == (500, "08007") and "its outcome is unknown" in body["message"]
    cut.lose_answer_to("values (2)")
    status, body = client.query("insert into once values (2)")
    assert (status, body["code"]) == (500, "08006") and "the outcome of the statement is unknown" in body["message"]
    cut.lose_answer_to("values (3)")
    status, body = client.batch("insert into once values (3)", "rollback and chain", "insert into once values (4)")
    assert status == 500 and body["code"] == "08006"
    for value in (1, 2):
        gw.eventually(gate, lambda v=value: executed(gate, v) == 1, "the server has done it")
    assert client.query("select count(*) from once")[1]["rows"] == [["2"]]
    assert [executed(gate, value) for value in (1, 2, 3, 4)] == [1, 1, 0, 0]


# -- cancels

def test_a_cancel_is_only_acknowledged_once_it_was_sent(homeport, through):
    gate = gateway(homeport, through)
    with contextlib.closing(gw.WebSocket(gate)) as session:
        key = [m for m in session.login(gate) if m[0] == b"K"][0][1]
        session.send(gw.message(b"Q", b"select pg_sleep(600)\0"))
        running = "SELECT 1 FROM pg_stat_activity WHERE query = 'select pg_sleep(600)' AND state = 'active'"
        gw.eventually(gate, lambda: gate.server.sql(running), "it runs")
        through.cancels_pass.clear()
        other = gw.Tcp(gate.pg_port)
        other.send(struct.pack("!II", 16, relay.CANCEL_REQUEST) + key)
        gw.eventually(gate, lambda: through.cancels == 1, "the request is on its way")
        other.sock.settimeout(0.5)
        with pytest.raises(TimeoutError):
            other.sock.recv(1)
        through.cancels_pass.set()
        other.sock.settimeout(30)
        assert other.sock.recv(1) == b""
        assert gw.fields([m for m in session.until(b"Z") if m[0] == b"E"][0][1])["C"] == "57014"
        for _ in range(20):
            assert gw.values(session.simple("select 5")) == ["5"]


# -- full

def test_connections_that_idle_for_one_role_make_room_for_another(homeport, servers):
    server = servers.get(15, "target")
    gate = gw.Gateway(homeport, server, "--threads=2")
    server.sql("CREATE ROLE second LOGIN PASSWORD 'pw-of-role'")
    server.sql(f'ALTER DATABASE "{gate.db.name}" CONNECTION LIMIT 4')
    clients = [gate.client() for _ in range(4)]
    for client in clients:
        client.send(json.dumps({"query": "select pg_sleep(0.3)"}))
    assert [client.receive()[0] for client in clients] == [200] * 4
    gw.eventually(gate, lambda: gate.backends() == 4, "the first role has all there are")
    status, body = gate.client().query("select current_user", url=gate.url(role="second"))
    assert (status, body["rows"]) == (200, [["second"]])
    for _ in range(3):
        with contextlib.closing(gw.WebSocket(gate)) as session:
            assert session.login(gate)[-1] == (b"Z", b"I")


# -- clients that vanish

def test_sockets_of_clients_are_kept_alive(homeport, through):
    gate = gateway(homeport, through)
    socks = [gate.client(), gw.WebSocket(gate), gw.Tcp(gate.pg_port)]
    socks[0].query("select 1")

    def kept():
        """Established connections of the gateway's ports on its side that have a keepalive timer."""
        with open("/proc/net/tcp", encoding="ascii") as table:
            rows = [line.split() for line in table][1:]
        ports = [f"{port:04X}" for port in (gate.http_port, gate.pg_port)]
        return [row[5][:2] for row in rows if row[1].split(":")[1] in ports and row[3] == "01"]
    gw.eventually(gate, lambda: kept() == ["02"] * 3, "all three have a timer")
    for sock in socks:
        sock.close()


def test_a_client_that_leaves_at_once_leaves_no_statement_running(homeport, servers):
    """Before it has read the statement a server does not hear that it is to give it up."""
    gate = gw.Gateway(homeport, servers.get(15, "target"), "--threads=1", "--pool-size=20")
    assert gate.query("select 1")[0] == 200
    never = threading.Event()
    for number in range(200):
        client = gate.client()
        client.send(json.dumps({"queries": [{"query": "select pg_sleep(600)", "params": []}] * 2}))
        never.wait(number % 12 / 1000)
        client.close()
    running = ("SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND state = 'active'"
               " AND query LIKE 'select pg_sleep%%'")
    gw.eventually(gate, lambda: gate.server.value(running, (gate.db.name,)) == 0, "all were given up")
    gw.eventually(gate, lambda: gate.metric("pool_busy") == 0, "none is at work")
