"""What the network may send: refused, within bounds of memory and time, and nobody else suffers."""

import contextlib
import json
import resource
import socket
import time

import pytest

import gateway as gw

HEAD = "POST /sql HTTP/1.1\r\nHost: x\r\n"
MALFORMED = {
    "length and chunked": HEAD + "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked and length": HEAD + "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
    "two lengths": HEAD + "Content-Length: 4\r\nContent-Length: 5\r\n\r\nabcd",
    "two equal lengths": HEAD + "Content-Length: 4\r\nContent-Length: 4\r\n\r\nabcd",
    "length with a sign": HEAD + "Content-Length: +4\r\n\r\nabcd",
    "length as a list": HEAD + "Content-Length: 4, 4\r\n\r\nabcd",
    "space before the colon": HEAD + "Content-Length : 4\r\n\r\nabcd",
    "bare line feeds": "POST /sql HTTP/1.1\nHost: x\nContent-Length: 0\n\n",
    "NUL in a header": HEAD + "X: a\0b\r\n\r\n",
    "bare CR in a value": HEAD + "X: a\rb\r\n\r\n",
    "unknown coding": HEAD + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "two codings": HEAD + "Transfer-Encoding: gzip, chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
    "chunk size with a sign": HEAD + "Transfer-Encoding: chunked\r\n\r\n+2\r\nab\r\n0\r\n\r\n",
    "space in the target": "POST /s ql HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
    "folded header": HEAD + "X: a\r\n b\r\nContent-Length: 0\r\n\r\n",
    "two hosts": HEAD + "Host: y\r\nContent-Length: 0\r\n\r\n",
    "no host": "POST /sql HTTP/1.1\r\nContent-Length: 0\r\n\r\n",
    "too many headers": HEAD + "".join(f"X{i}: y\r\n" for i in range(80)) + "\r\n",
    "too large a head": HEAD + "X: " + "y" * 40000 + "\r\n\r\n",
    "another protocol": "SSH-2.0-OpenSSH_9.2\r\n\r\n",
    "HTTP/2": "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "length beyond numbers": HEAD + "Content-Length: 99999999999999999999999\r\n\r\n",
}


@pytest.fixture
def gate(homeport, servers):
    return gw.Gateway(homeport, servers.get(15, "target"), "--threads=1", "--max-request=100000")


def memory(gate):
    for line in open(f"/proc/{gate.run.pid}/status", encoding="ascii"):
        if line.startswith("VmRSS"):
            return int(line.split()[1]) * 1024
    return 0


def talk(gate, data, seconds=10):
    """All that comes back until the end."""
    with socket.create_connection(("127.0.0.1", gate.http_port), seconds) as sock:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            sock.sendall(data.encode("latin1") if isinstance(data, str) else data)
        got = b""
        with contextlib.suppress(ConnectionResetError):
            sock.shutdown(socket.SHUT_WR)
            while more := sock.recv(65536):
                got += more
    return got


@pytest.mark.parametrize("request_text", MALFORMED.values(), ids=MALFORMED.keys())
def test_malformed_requests_are_refused_and_the_connection_ends(gate, request_text):
    # Behind it a request that a smuggler would like to have answered.
    got = talk(gate, request_text + "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n")
    assert got.startswith((b"HTTP/1.1 400", b"HTTP/1.1 431", b"HTTP/1.1 413")) and got.count(b"HTTP/1.1") == 1
    assert b"connection: close" in got
    assert gate.query("select 1")[0] == 200


def test_a_body_that_is_too_large_is_refused_before_it_is_read(gate):
    with socket.create_connection(("127.0.0.1", gate.http_port), 10) as sock:
        sock.sendall((HEAD + "Content-Length: 1000000000\r\n\r\n").encode())
        assert sock.recv(1000).startswith(b"HTTP/1.1 413")
    chunk = b"10000\r\n" + b"x" * 65536 + b"\r\n"
    got = talk(gate, (HEAD + "Transfer-Encoding: chunked\r\n\r\n").encode() + chunk * 20)
    assert got.startswith(b"HTTP/1.1 413")


def test_who_drips_his_head_is_told_to_go(gate):
    with socket.create_connection(("127.0.0.1", gate.http_port), 30) as sock:
        sock.sendall(b"POST /sql HTTP/1.1\r\n")
        sock.settimeout(0.2)
        started, got = time.monotonic(), b""
        while not got and time.monotonic() - started < 25:
            try:
                got = sock.recv(1000)
                break
            except TimeoutError:
                sock.sendall(b"X: y\r\n")
                assert gate.query("select 1")[0] == 200 if int(time.monotonic()) % 4 == 0 else True
    assert got.startswith(b"HTTP/1.1 408") or b"431" in got
    assert time.monotonic() - started < 15


def test_half_open_tls_and_silent_clients_are_closed(gate):
    socks = [socket.create_connection(("127.0.0.1", port), 30) for port in (gate.tls_port, gate.pg_port, gate.http_port)]
    socks[0].sendall(b"\x16\x03\x01\x02\x00\x01\x00")
    for sock in socks:
        with contextlib.suppress(ConnectionResetError):
            assert sock.recv(100) == b""
        sock.close()


@pytest.mark.plain
def test_ten_thousand_connections_are_borne(homeport, servers):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 12000:
        pytest.skip("needs 12000 open files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 20000), hard))
    gate = gw.Gateway(homeport, servers.get(15, "target"), "--max-connections=10000")
    client = gate.client()
    assert client.query("select 1")[0] == 200
    socks = []
    try:
        for i in range(9900):
            socks.append(socket.create_connection(("127.0.0.1", gate.http_port), 10))
        for sock in socks[::10]:
            sock.sendall(b"POST /sql HTTP/1.1\r\nHost: x\r\n")
        for _ in range(20):
            assert client.query("select 1")[0] == 200
        assert memory(gate) < 300 << 20
    finally:
        for sock in socks:
            sock.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    gw.eventually(gate, lambda: gate.query("select 1")[0] == 200, "others are served")


@pytest.mark.plain
def test_endless_and_large_results_take_bounded_memory(homeport, servers):
    gate = gw.Gateway(homeport, servers.get(15, "target"), "--threads=1", "--max-response=8MiB")
    before = memory(gate)
    for _ in range(10):
        status, _ = gate.query("select repeat('x', 1000), generate_series(1, 100000000)")
        assert status == 507
    assert memory(gate) - before < 100 << 20


def test_a_client_that_reads_no_reply_is_given_up(gate):
    clients = [gate.client() for _ in range(5)]
    for client in clients:
        client.conn.connect()
        client.conn.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.send(json.dumps({"query": "select repeat('x', 5000000)"}))
    gw.eventually(gate, lambda: gate.metric("pool_busy") == 0, "the server's connections are free again")
    assert gate.query("select 1")[0] == 200
    for client in clients:
        client.close()
