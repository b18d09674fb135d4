"""What clients may make the gateway hold: before they have shown who they are, and all together."""

import contextlib
import json
import select
import signal
import socket
import ssl

import pytest

import gateway as gw

MIB = 1 << 20


def body_of(size):
    frame = json.dumps({"query": "select length($1)", "params": [""]})
    return frame.replace('""', '"' + "x" * (size - len(frame)) + '"').encode()


def head_of(gate, size, password=None, **headers):
    lines = [f"Neon-Connection-String: {gate.url(password=password)}", "Neon-Raw-Text-Output: true", "Neon-Array-Mode: true",
             f"Content-Length: {size}", *(f"{name}: {value}" for name, value in headers.items())]
    return ("POST /sql HTTP/1.1\r\nHost: x\r\n" + "".join(line + "\r\n" for line in lines) + "\r\n").encode()


def begin(gate, size, sent, password=None, **headers):
    """A request whose body is of this size, of which only so much is sent."""
    sock = socket.create_connection(("127.0.0.1", gate.http_port), 30)
    with contextlib.suppress(ConnectionError):
        sock.sendall(head_of(gate, size, password, **headers) + body_of(size)[:sent])
    return sock


def answer(sock):
    """Status and text, at the end of the connection or of one whole answer."""
    data = b""
    with contextlib.suppress(ConnectionError):
        while b"\r\n\r\n" not in data or b"}" not in data.partition(b"\r\n\r\n")[2]:
            more = sock.recv(65536)
            if not more:
                break
            data += more
    return int(data.split()[1]), data.decode()


def answered(socks):
    return select.select(socks, [], [], 0)[0]


def test_a_stranger_shows_who_he_is_before_a_large_body_is_read(homeport, servers):
    gate = gw.Gateway(homeport, servers.get(15, "target"), "--threads=1")
    with begin(gate, 20 * MIB, 100, password="wrong") as sock:
        status, text = answer(sock)
        assert status == 400 and "28P01" in text and "connection: close" in text
    with begin(gate, 3 * MIB, 0, Expect="100-continue") as sock:
        assert sock.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(body_of(3 * MIB))
        assert answer(sock)[0] == 200
    assert gate.metric("logins_total") == 1


@pytest.mark.parametrize("chunked", [False, True])
def test_the_first_request_of_a_client_may_be_large(homeport, servers, chunked):
    gate = gw.Gateway(homeport, servers.get(15, "target"), "--threads=1")
    client = gate.client()
    body = body_of(5 * MIB)
    if chunked:
        headers = {**gw.ARRAY, "neon-connection-string": gate.url()}
        client.conn.request("POST", "/sql", iter([body[:MIB], body[MIB:2 * MIB], body[2 * MIB:]]), headers, encode_chunked=True)
        status, reply = client.receive()
    else:
        status, reply = client.post(body)
    assert status == 200 and int(reply["rows"][0][0]) > 5 * MIB - 100
    assert client.query("select 1")[0] == 200


def test_a_stranger_that_leaves_while_he_is_asked_leaves_nothing(homeport, servers):
    gate = gw.Gateway(homeport, servers.get(15, "target"), "--threads=1")
    assert gate.ask("pause").rc == 0
    with begin(gate, 3 * MIB, 0), begin(gate, 3 * MIB, 1000):
        gw.eventually(gate, lambda: gate.metric("pool_waiting") == 2, "they wait")
    gw.eventually(gate, lambda: gate.metric("pool_waiting") == 0, "they have left")
    assert gate.ask("resume").rc == 0
    assert gate.query("select 1")[0] == 200


def test_strangers_have_a_part_of_the_memory_only(homeport, servers):
    gate = gw.Gateway(homeport, servers.get(15, "target"), "--threads=2", "--max-memory=8MiB")
    known = gate.client()
    assert known.query("select 1")[0] == 200
    with contextlib.ExitStack() as held:
        socks = [held.enter_context(begin(gate, 600_000, 550_000, password=f"x{i}")) for i in range(10)]
        gw.eventually(gate, lambda: len(answered(socks)) >= 7, "most find no room")
        refused = answered(socks)
        status, text = answer(refused[0])
        assert status == 503 and "--max-memory" in text and "retry-after: 1" in text
        assert known.post(body_of(MIB))[0] == 200
        assert known.query("select 1")[0] == 200
    again = gate.client()
    gw.eventually(gate, lambda: again.post(body_of(400_000), url=gate.url(password="y"))[0] in (400, 429), "it was given back")


def test_all_requests_and_responses_together_have_a_limit(homeport, servers):
    gate = gw.Gateway(homeport, servers.get(15, "target"), "--threads=1", "--max-memory=8MiB")
    client = gate.client()
    assert client.query("select 1")[0] == 200
    with contextlib.ExitStack() as held:
        socks = [held.enter_context(begin(gate, 3 * MIB, 3 * MIB - 10)) for _ in range(4)]
        gw.eventually(gate, lambda: len(answered(socks)) == 2, "two find no room")
        assert client.query("select 1")[0] == 200
    gw.eventually(gate, lambda: client.post(body_of(MIB))[0] == 200, "their memory was given back")
    status, body = client.query("select repeat('x', 1000), generate_series(1, 20000)")
    assert (status, body["code"]) == (500, "08006") and "retry-after" not in client.headers
    status, body = client.query("select repeat('x', 9000000)")
    assert (status, body["code"]) == (500, "08006") and "retry-after" not in client.headers
    for _ in range(20):
        assert client.query("select repeat('x', 1000), generate_series(1, 1500)")[0] == 200


@pytest.mark.parametrize("size", [100_000, 600_000])
def test_a_response_without_memory_of_what_is_done_already_is_an_unknown_outcome(homeport, servers, size):
    gate = gw.Gateway(homeport, servers.get(15, "target"), "--threads=1", "--max-memory=1MiB")
    client = gate.client()
    assert client.query("create table made (i int)")[0] == 200
    statement = f"insert into made select generate_series(1, {2 * MIB // size}) returning repeat('x', {size})"
    for send, code in ((client.query, "08006"), (client.batch, "08007")):
        status, body = send(statement)
        assert (status, body["code"]) == (500, code), body
        assert "--max-memory" in body["message"] and "outcome of the statement is unknown" in body["message"]
        assert "retry-after" not in client.headers
    assert gate.metric("pool_busy") == 0
    gw.eventually(gate, lambda: gate.metric("cancels_total") >= 2, "the server was told to give both up")
    assert client.query("select 1")[0] == 200


@pytest.mark.parametrize("size, password, expected", [(12 * MIB, "wrong", 400), (40 * MIB, None, 413)])
def test_who_sends_all_of_it_before_he_reads_is_told_why_it_was_refused(homeport, servers, size, password, expected):
    gate = gw.Gateway(homeport, servers.get(15, "target"), "--threads=1", "--max-request=16MiB")
    with begin(gate, 10 * MIB, 10 * MIB) as sock:
        assert answer(sock)[0] == 200
        gate.run.signal(signal.SIGSTOP)  # much of it comes at once
        request = head_of(gate, size, password) + body_of(size)
        sock.setblocking(False)
        sent = sock.send(request)
        assert sent > 256 << 10
        gate.run.signal(signal.SIGCONT)
        sock.settimeout(15)
        sock.sendall(request[sent:])
        assert answer(sock)[0] == expected


def test_what_has_been_read_is_not_held_for_who_closes_late(homeport, servers):
    gate = gw.Gateway(homeport, servers.get(15, "target"), "--threads=1", "--max-memory=32MiB")
    body = json.dumps({"query": "select repeat('x', 12000000)"}).encode()
    with contextlib.ExitStack() as held:
        for i in range(1, 5):
            sock = held.enter_context(socket.socket())
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
            sock.connect(("127.0.0.1", gate.http_port))
            sock.sendall(head_of(gate, len(body), Connection="close") + body)
            gw.eventually(gate, lambda i=i: gate.metric('bytes_out_total{protocol="http"}') > i * 12_000_000, "the reply is on its way")
            got = 0
            while more := sock.recv(1 << 20):
                got += len(more)
            assert got > 12_000_000, i


@pytest.mark.plain
def test_what_comes_before_it_is_wanted_stays_with_who_sends_it(homeport, servers):
    gate = gw.Gateway(homeport, servers.get(15, "target"), "--threads=1")
    assert gate.query("select 1")[0] == 200 and gate.ask("pause").rc == 0
    before = gate.memory()
    body = body_of(100)
    requests = head_of(gate, len(body)) + body + head_of(gate, MIB) + body_of(MIB)
    login = gw.startup(user=gate.role, database=gate.db.name) + gw.message(b"p", gate.password.encode() + b"\0")
    with contextlib.ExitStack() as held:
        for _ in range(100):
            sock = held.enter_context(socket.create_connection(("127.0.0.1", gate.http_port), 30))
            sock.setblocking(False)
            sock.send(requests)
        sessions = [gw.WebSocket(gate) for _ in range(40)]
        for ws in sessions:
            held.callback(ws.close)
            ws.send(login + gw.message(b"Q", b"select length('" + b"x" * 100_000 + b"')\0"))
        gw.eventually(gate, lambda: gate.ask("status").json["waiting"] == 140, "all have said who they are")
        assert gate.memory() - before < 20 * MIB
        assert gate.ask("resume").rc == 0
        for ws in sessions:
            ws.until(b"Z")
            assert gw.values(ws.until(b"Z")) == ["100000"]


def test_what_came_behind_a_request_under_tls_is_read_once_it_is_wanted(homeport, servers):
    gate = gw.Gateway(homeport, servers.get(15, "target"), "--threads=1")
    count = 200
    body = json.dumps({"query": "select pg_sleep(0.3)"}).encode()
    first = head_of(gate, len(body)) + body
    body = body_of(1000)
    sock = ssl.create_default_context(cafile=gate.ca).wrap_socket(
        socket.create_connection(("127.0.0.1", gate.tls_port), 20), server_hostname="localhost")
    with contextlib.closing(sock):
        sock.sendall(first + (head_of(gate, len(body)) + body) * count)
        got = b""
        while got.count(b"HTTP/1.1 200 OK") < count + 1:
            got += sock.recv(1 << 20)
