"""Who may try to log in, how often, and who is let in by which password."""

import contextlib
import json
import socket
import threading

import pytest

import gateway as gw
import relay

THROTTLED = "too many failed logins, try again later"


@pytest.fixture
def gate(homeport, servers):
    return gw.Gateway(homeport, servers.get(15, "target"), "--threads=2")


def session_error(gate, password, make=gw.WebSocket):
    """Logs in over a session: None where that is fine, else the error's fields."""
    with contextlib.closing(make(gate)) as session:
        session.send(gw.startup(user=gate.role, database=gate.db.name) + gw.message(b"p", password.encode() + b"\0"))
        for kind, payload in iter(session.read, None):
            if kind == b"E":
                return gw.fields(payload)
            if kind == b"Z":
                return None
    raise AssertionError("the session ended without a word")


# -- guesses

def all_at_once(count, work):
    found = [None] * count
    ready = threading.Barrier(count)

    def one(i):
        ready.wait()
        found[i] = work(i)
    threads = [threading.Thread(target=one, args=(i,)) for i in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def test_many_guesses_at_once_get_no_more_tries_than_one_after_the_other(gate):
    found = all_at_once(60, lambda i: gate.query("select 1", url=gate.url(password=f"guess{i}"))[0])
    assert gate.metric("login_failures_total") <= 7
    assert set(found) == {400, 429} and found.count(400) <= 7


def test_many_guesses_at_once_over_sessions(gate):
    found = all_at_once(40, lambda i: session_error(gate, f"guess{i}")["M"])
    assert gate.metric("login_failures_total") <= 7
    assert found.count(THROTTLED) >= 33


def test_a_session_that_was_right_from_there_is_not_shut_out_by_others_guesses(gate):
    assert session_error(gate, gate.password) is None
    said = [session_error(gate, f"guess{i}")["M"] for i in range(8)]
    assert said[-1] == THROTTLED
    assert session_error(gate, gate.password) is None


def test_a_login_that_is_right_ends_the_counting(gate):
    for number in range(3):
        codes = [gate.query("select 1", url=gate.url(password=f"guess{number}{i}"))[0] for i in range(4)]
        assert codes == [400] * 4
        assert gate.query("select 1")[0] == 200
        gate.server.sql(f"ALTER ROLE app PASSWORD 'another{number}'")
        gate.password = f"another{number}"


def test_a_right_guess_is_no_exception_where_others_connections_have_its_password(homeport, servers):
    gate = gw.Gateway(homeport, servers.get(15, "target"), "--threads=1")
    app = gate.client()
    assert app.query("select 1")[0] == 200
    there = gate.client("127.0.0.2")
    codes = [there.query("select 1", url=gate.url(password=f"guess{i}"))[0] for i in range(6)]
    assert codes == [400] * 5 + [429]
    assert there.query("select 1")[0] == 429
    assert app.query("select 1")[0] == 200


def test_who_is_served_by_others_connections_is_known_from_then_on(homeport, servers):
    gate = gw.Gateway(homeport, servers.get(15, "target"), "--threads=1", "--queue-ms=1000")
    assert gate.query("select 1")[0] == 200
    there = gate.client("127.0.0.2")
    assert there.query("select 1")[0] == 200
    codes = [gate.query("select 1", source="127.0.0.2", url=gate.url(password=f"guess{i}"))[0] for i in range(6)]
    assert codes == [400] * 5 + [429]
    assert there.query("select 1")[0] == 200 and gate.query("select 1", source="127.0.0.3")[0] == 200
    there.conn.putrequest("POST", "/sql")
    for name, value in {"neon-connection-string": gate.url(), "content-length": str(2 << 20), "expect": "100-continue"}.items():
        there.conn.putheader(name, value)
    assert gate.ask("pause").rc == 0  # a stranger would have to wait for his login
    there.conn.endheaders()
    assert there.conn.sock.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert gate.metric("pool_waiting") == 0


def test_one_wrong_password_of_many_requests_at_once_is_one_login(gate):
    found = all_at_once(30, lambda i: gate.query("select 1", url=gate.url(password="old"))[0])
    assert gate.metric("login_failures_total") <= 7
    assert set(found) <= {400, 429}


def test_guesses_over_a_listener_for_both_protocols_shut_out_only_the_host_they_come_from(gate):
    gate.stop()
    gate.options = [one.replace("http=127.0.0.1:", "http=[::]:").replace("pg=127.0.0.1:", "pg=[::]:") for one in gate.options]
    gate.start()
    codes = [gate.query("select 1", source="127.0.0.2", url=gate.url(password=f"guess{i}"))[0] for i in range(6)]
    assert codes == [400] * 5 + [429]
    assert gate.query("select 1", source="127.0.0.3")[0] == 200


# -- strangers

def test_logins_of_a_stranger_hold_up_nobody_else(homeport, servers):
    through = relay.Relay(servers.get(15, "target"))
    try:
        gate = gw.Gateway(homeport, through.server, f"--upstream={through.url}", "--threads=1")
        through.is_silent_to = lambda startup: b"user\0stranger" in startup
        known = gate.client()
        assert known.query("select 1")[0] == 200
        strangers = [gate.client() for _ in range(100)]
        for i, client in enumerate(strangers):
            client.send(json.dumps({"query": "select 1"}), url=gate.url(role=f"stranger{i}"))
        gw.eventually(gate, lambda: gate.metric("pool_waiting") == 100, "they wait")
        assert known.query("select 1")[0] == 200
        elsewhere = gate.client("127.0.0.2")
        elsewhere.conn.timeout = 5
        url = gate.url(database="postgres")
        assert elsewhere.query("select 1", url=url)[0] == 200
        assert through.logins < 20
        for client in strangers:
            client.close()
        gw.eventually(gate, lambda: gate.metric("pool_waiting") == 0, "nobody waits any more")
        assert gate.query("select 1", url=gate.url(database="postgres"))[0] == 200
    finally:
        through.close()


# -- passwords that are right

def test_a_role_may_change_its_password_more_often_than_is_remembered(homeport, servers):
    server = servers.get(15, "target")
    gate = gw.Gateway(homeport, server, "--threads=1", "--recheck-ms=600000", "--queue-ms=3000")
    for i in range(12):
        server.sql(f"ALTER ROLE app PASSWORD 'pw{i}'")
        status, body = gate.query("select current_user", url=gate.url(password=f"pw{i}"))
        assert (status, body.get("rows")) == (200, [["app"]]), i
    assert gate.metric("logins_total") <= 14


def test_an_upstream_that_asks_for_md5(homeport, servers):
    server = servers.new(15, settings={"password_encryption": "md5"})
    hba = server.data_dir / "pg_hba.conf"
    hba.write_text(hba.read_text(encoding="utf-8").replace("scram-sha-256", "md5"), encoding="utf-8")
    server.restart()
    gate = gw.Gateway(homeport, server)
    stored = server.value("SELECT rolpassword FROM pg_authid WHERE rolname = 'app'")
    assert stored.startswith("md5")
    assert gate.rows("select current_user") == [["app"]]
    assert session_error(gate, gate.password) is None
    assert gate.query("select 1", url=gate.url(password="wrong"))[1]["code"] == "28P01"
    assert session_error(gate, "wrong")["C"] == "28P01"


# -- how many

def test_websockets_count_as_connections(homeport, servers):
    gate = gw.Gateway(homeport, servers.get(15, "target"), "--threads=2", "--max-connections=20")
    sessions = []
    for _ in range(10):
        sessions.append(gw.WebSocket(gate))
        assert sessions[-1].login(gate)[-1] == (b"Z", b"I")
        sessions.append(gw.Tcp(gate.pg_port))
    gw.eventually(gate, lambda: gate.ask("status").json["sessions"] == 20, "all are there")
    for port in (gate.http_port, gate.pg_port):
        with contextlib.suppress(ConnectionResetError), socket.create_connection(("127.0.0.1", port), 10) as sock:
            assert sock.recv(1) == b""
    sessions.pop(0).close()
    gw.eventually(gate, lambda: gate.ask("status").json["sessions"] < 20, "one has left")
    assert gate.query("select 1")[0] == 200
    for session in sessions:
        session.close()


def test_as_many_may_wait_as_may_be_connected_whichever_thread_has_them(homeport, servers):
    gate = gw.Gateway(homeport, servers.get(15, "target"), "--threads=8", "--max-connections=20")
    assert gate.ask("pause").rc == 0
    clients = [gate.client() for _ in range(20)]
    for client in clients:
        client.send(json.dumps({"query": "select 1"}))
    gw.eventually(gate, lambda: gate.metric("pool_waiting") == 20, "all wait")
    assert gate.ask("resume").rc == 0
    assert [client.receive()[0] for client in clients] == [200] * 20
