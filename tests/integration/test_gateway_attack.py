"""What the network may send: refused, within bounds of memory and time, and nobody else suffers."""

import contextlib
import json
import os
import pathlib
import resource
import select
import socket
import ssl
import threading
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


def trickle(gate, framing):
    """A request of which everything but the body is there."""
    sock = socket.create_connection(("127.0.0.1", gate.http_port), 30)
    sock.sendall(f"{HEAD}Neon-Connection-String: {gate.url()}\r\n{framing}\r\n\r\n".encode())
    return sock


def test_who_drips_his_body_is_told_to_go_and_holds_no_connection_meanwhile(homeport, servers):
    gate = gw.Gateway(homeport, servers.get(15, "target"), "--threads=1", "--pool-size=1")
    client, body = gate.client(), json.dumps({"query": "select 1"}).encode() + b" " * 10_000
    assert client.query("select 1")[0] == 200
    drops = {trickle(gate, f"Content-Length: {len(body)}"): lambda i: body[i:i + 1] for _ in range(10)}
    drops |= {trickle(gate, "Transfer-Encoding: chunked"): lambda i: b"1\r\n" + body[i:i + 1] + b"\r\n" for _ in range(10)}
    started, ended, i = time.monotonic(), {}, 0
    while len(ended) < len(drops) and time.monotonic() < started + 40:
        for sock in select.select(drops.keys() - ended.keys(), [], [], 0.2)[0]:
            ended[sock] = sock.recv(1000)
        for sock in drops.keys() - ended.keys():
            sock.sendall(drops[sock](i))
        i += 1
        assert gate.metric("pool_busy") == 0
        assert client.query("select 1")[0] == 200
    assert 25 < time.monotonic() - started < 40 and i > 50
    assert {text[:12] for text in ended.values()} == {b"HTTP/1.1 408"} and len(ended) == 20
    assert gate.metric("logins_total") == 1
    for sock in drops:
        sock.close()


def test_half_open_tls_and_silent_clients_are_closed(gate):
    socks = [socket.create_connection(("127.0.0.1", port), 30) for port in (gate.tls_port, gate.pg_port, gate.http_port)]
    socks[0].sendall(b"\x16\x03\x01\x02\x00\x01\x00")
    for sock in socks:
        with contextlib.suppress(ConnectionResetError):
            assert sock.recv(100) == b""
        sock.close()


class CutRecords:
    """TLS of which what is sent can be cut anywhere: a request as records, none of which need arrive whole."""

    def __init__(self, gate, seconds=20):
        context = ssl.create_default_context(cafile=gate.ca)
        self.sock = socket.create_connection(("127.0.0.1", gate.tls_port), seconds)
        self.inside, self.outside = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.inside, self.outside, server_hostname="localhost")
        self.step(self.tls.do_handshake)

    def step(self, function, *args):
        while True:
            try:
                result = function(*args)
                self.flush()
                return result
            except ssl.SSLWantReadError:
                self.flush()
                self.inside.write(self.sock.recv(65536))

    def flush(self):
        if self.outside.pending:
            self.sock.sendall(self.outside.read())

    def records(self, data):
        self.tls.write(data)
        return self.outside.read()


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.parametrize("cut", (1, 5, 6, 400), ids=("a byte", "its head", "a byte of it", "some of it"))
def test_a_part_of_a_tls_record_stops_nobody_else(gate, cut):
    """The gateway has one thread here."""
    client = CutRecords(gate)
    body = json.dumps({"query": "select $1::text as a", "params": ["x" * 3000]}).encode()
    head = f"{HEAD}Neon-Connection-String: {gate.url()}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    records = client.records(head + body)
    for _ in range(3):  # also where more of it comes, and still not all
        client.sock.sendall(records[:cut])
        records = records[cut:]
        assert gate.query("select 1")[0] == 200
        assert gate.ask("pause").rc == 0 and gate.ask("resume").rc == 0
    used = cpu_seconds(gate.run.pid)
    threading.Event().wait(0.5)
    assert cpu_seconds(gate.run.pid) - used < 0.25, "it waits, and does not look again and again"
    client.sock.sendall(records)
    got = b""
    while b'"rowAsArray":false}' not in got:
        got += client.step(client.tls.read, 65536)
    assert got.startswith(b"HTTP/1.1 200") and b"x" * 3000 in got


@contextlib.contextmanager
def many_files():
    """As many sockets as the system lets us have, up to 10,000."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 20000), hard))
    try:
        yield min(10_000, hard - 1000)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


UPGRADE = (b"GET /v2 HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
           b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n")


def all_at_once(socks, data, expected):
    """Each is sent that, and answers."""
    for sock in socks:
        sock.sendall(data)
    for sock in socks:
        assert expected in sock.recv(1000)


@pytest.mark.plain
def test_thousands_of_websockets_that_say_nothing_cost_little_and_are_all_answered(homeport, servers):
    with many_files() as most, contextlib.ExitStack() as held:
        gate = gw.Gateway(homeport, servers.get(15, "target"), f"--max-connections={most}")
        client, count = gate.client(), most - 10
        assert client.query("select 1")[0] == 200
        before = gate.memory()
        socks = [held.enter_context(socket.create_connection(("127.0.0.1", gate.http_port), 20)) for _ in range(count)]
        all_at_once(socks, UPGRADE, b"HTTP/1.1 101")
        assert gate.ask("status").json["sessions"] == count
        each = (gate.memory() - before) / count
        assert each < 16 * 1024, f"{each:.0f} bytes for each of {count}"
        assert client.query("select 1")[0] == 200
        packet = gw.startup(user=gate.role, database=gate.db.name)
        all_at_once(socks, bytes([0x82, 0x80 | len(packet), 0, 0, 0, 0]) + packet, gw.message(b"R", b"\0\0\0\3"))
        assert client.query("select 1")[0] == 200
    gw.eventually(gate, lambda: gate.ask("status").json["sessions"] == 0, "all have left")
    assert gate.query("select 1")[0] == 200


@pytest.mark.plain
def test_ten_thousand_connections_are_borne(homeport, servers):
    with many_files() as most, contextlib.ExitStack() as held:
        gate = gw.Gateway(homeport, servers.get(15, "target"), f"--max-connections={most}")
        client = gate.client()
        assert client.query("select 1")[0] == 200
        socks = [held.enter_context(socket.create_connection(("127.0.0.1", gate.http_port), 10)) for _ in range(most - 100)]
        for sock in socks[::10]:
            sock.sendall(b"POST /sql HTTP/1.1\r\nHost: x\r\n")
        for _ in range(20):
            assert client.query("select 1")[0] == 200
        assert gate.memory() < 300 << 20
    gw.eventually(gate, lambda: gate.query("select 1")[0] == 200, "others are served")


@pytest.mark.plain
def test_endless_and_large_results_take_bounded_memory(homeport, servers):
    gate = gw.Gateway(homeport, servers.get(15, "target"), "--threads=1", "--max-response=8MiB")
    before, most, found = gate.memory(), [0], []

    def work(text):
        for _ in range(3):
            found.append(gate.query(text)[0])
    texts = ["select repeat('x', 1000), generate_series(1, 100000000)", "select repeat('x', 100000000)"] * 5
    threads = [threading.Thread(target=work, args=(text,)) for text in texts]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        most.append(gate.memory())
    for thread in threads:
        thread.join()
    assert found == [507] * 30
    assert max(most) - before < 10 * 3 * 8 << 20


def read_slowly(sock, rate, seconds):
    """What comes in that time, at so many bytes a second; less where it ends."""
    got, started = 0, time.monotonic()
    while (now := time.monotonic()) < started + seconds:
        if got > rate * (now - started):
            threading.Event().wait(0.05)
        elif more := sock.recv(16384):
            got += len(more)
        else:
            break
    return got


def ask_large(gate, size):
    """A client with a small buffer that has asked for that much, and reads nothing yet."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.settimeout(60)
    sock.connect(("127.0.0.1", gate.http_port))
    body = json.dumps({"query": f"select repeat('x', {size})"}).encode()
    sock.sendall(f"{HEAD}Connection: close\r\nNeon-Connection-String: {gate.url()}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
                 + body)
    return sock


@pytest.mark.plain
def test_a_slow_reader_gets_all_of_its_reply_also_when_the_gateway_stops_and_who_reads_nothing_is_given_up(homeport, servers):
    gate = gw.Gateway(homeport, servers.get(15, "target"), "--drain-ms=60000")
    size = 16_000_000
    slow, stalled = ask_large(gate, size), ask_large(gate, size)
    gw.eventually(gate, lambda: gate.metric('bytes_out_total{protocol="http"}') > 2 * size, "both replies are on their way")
    got = read_slowly(slow, 400_000, 22)  # beyond the time that one has who reads nothing
    assert 5_000_000 < got < size
    gate.run.signal(15)
    got += read_slowly(slow, 4_000_000, 30)
    assert got > size
    with contextlib.suppress(ConnectionResetError):
        assert read_slowly(stalled, 1 << 30, 30) < size
    assert gate.run.wait(20).rc == 0


def fill_up(gate, ws):
    """Asks for rows that it does not read, until some wait in the gateway itself."""
    size = asked = 0
    while size < gate.metric('bytes_out_total{protocol="websocket"}') + 100_000:
        asked += 1
        ws.send(gw.message(b"Q", f"select repeat('x', 100000), {asked}\0".encode()))
        gw.eventually(gate, lambda query=f"%100000), {asked}": gate.server.sql(
            "select 1 from pg_stat_activity where query like %s and state = 'idle' and pid <> pg_backend_pid()", (query,)), "it is done")
        size += 100_000


@pytest.mark.plain
def test_a_session_that_ends_waits_for_a_slow_reader_and_not_for_one_that_reads_nothing(gate):
    ws = gw.WebSocket(gate)
    ws.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    ws.login(gate)
    fill_up(gate, ws)
    assert gate.ask("pause").rc == 0
    assert read_slowly(ws.sock, 25_000, 8) > 50_000  # beyond the time that one has who reads nothing
    assert gate.ask("status").json["sessions"] == 1
    gw.eventually(gate, lambda: gate.ask("status").json["sessions"] == 0, "it was given up")


def test_a_websocket_that_was_refused_hears_why_however_much_it_sends(gate):
    ws = gw.WebSocket(gate)
    ws.send(gw.startup(user=gate.role, database=gate.db.name) + gw.message(b"p", b"wrong\0"))
    for _ in range(20):
        ws.send(b"x" * 60000)
    assert gw.fields(ws.until(b"E")[-1][1])["C"] == "28P01"
    assert ws.read() is None and ws.frames[-1][0] == 8, "it was closed, not cut"


def test_a_request_that_is_being_sent_when_the_gateway_stops_is_answered(gate):
    body = json.dumps({"query": "select 'done' as a, $1 as b", "params": ["x" * 50000]}).encode()
    with socket.create_connection(("127.0.0.1", gate.http_port), 30) as sock:
        sock.sendall(f"{HEAD}Neon-Connection-String: {gate.url()}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body[:1000])
        assert gate.query("select 1")[0] == 200
        gate.run.signal(15)
        gw.eventually(gate, lambda: gate.health() == "stopping", "it drains")
        sock.sendall(body[1000:])
        got = b""
        while more := sock.recv(65536):
            got += more
    assert b'"done"' in got and got.endswith(b'"rowAsArray":false}')
    assert gate.run.wait(20).rc == 0
