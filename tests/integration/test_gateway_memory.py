"""What clients may make the gateway hold: before they have shown who they are, and all together."""

import contextlib
import json
import select
import socket

import pytest

import gateway as gw

MIB = 1 << 20


def body_of(size):
    frame = json.dumps({"query": "select length($1)", "params": [""]})
    return frame.replace('""', '"' + "x" * (size - len(frame)) + '"').encode()


def begin(gate, size, sent, password=None, **headers):
    """A request whose body is of this size, of which only so much is sent."""
    sock = socket.create_connection(("127.0.0.1", gate.http_port), 30)
    lines = [f"Neon-Connection-String: {gate.url(password=password)}", "Neon-Raw-Text-Output: true", "Neon-Array-Mode: true",
             f"Content-Length: {size}", *(f"{name}: {value}" for name, value in headers.items())]
    head = "POST /sql HTTP/1.1\r\nHost: x\r\n" + "".join(line + "\r\n" for line in lines) + "\r\n"
    with contextlib.suppress(ConnectionError):
        sock.sendall(head.encode() + body_of(size)[:sent])
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
