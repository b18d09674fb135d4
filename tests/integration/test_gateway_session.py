"""WebSockets and 5432: sessions of their own, shown who they are, passed through."""

import contextlib
import hashlib
import os
import signal
import socket
import ssl
import struct
import subprocess
import threading
import time

import pytest

import gateway as gw
import wait

PSQL = "/usr/lib/postgresql/15/bin/psql"


@pytest.fixture
def gate(homeport, servers):
    return gw.Gateway(homeport, servers.get(15, "target"), "--threads=1")


@pytest.fixture
def scram_gate(homeport, servers, tmp_path):
    users = tmp_path / "users.txt"
    users.write_text('; roles\n"app" "pw-of-role"\n"o""dd" "p""w"\n', encoding="utf-8")
    return gw.Gateway(homeport, servers.get(15, "target"), "--threads=1", roles_file=users)


def psql(gate, text, password=None, user=None, program=PSQL, **params):
    options = {"host": "localhost", "hostaddr": "127.0.0.1", "port": gate.pg_port, "dbname": gate.db.name,
               "user": user or gate.role, **params}
    return subprocess.run(
        [program, "-XAt", "-v", "ON_ERROR_STOP=1", " ".join(f"{k}='{v}'" for k, v in options.items()), "-c", text],
        env={"PATH": os.environ["PATH"], "PGPASSWORD": password or gate.password, "HOME": "/nonexistent"},
        capture_output=True, text=True, check=False, timeout=60)


# -- WebSocket

def test_a_pipelined_login_with_its_first_query_in_one_frame(gate):
    ws = gw.WebSocket(gate)
    assert "101" in ws.head and "sec-websocket-extensions" not in ws.head.lower()
    got = ws.login(gate, pipelined=gw.message(b"Q", b"select 42\0"), client_encoding="UTF8", application_name="app x")
    assert got[0] == (b"R", struct.pack("!I", 3))  # asked for although it was there already
    assert got[1] == (b"R", struct.pack("!I", 0))
    names = [m[1].split(b"\0")[0] for m in got if m[0] == b"S"]
    assert {b"server_version", b"client_encoding", b"TimeZone", b"integer_datetimes"} <= set(names)
    assert [m[0] for m in got][-2:] == [b"K", b"Z"]
    assert gw.values(ws.until(b"Z")) == ["42"]
    assert gw.values(ws.simple("show application_name")) == ["app x"]
    assert gw.values(ws.simple("show timezone")) == ["UTC"]
    pid = struct.unpack("!I", [m for m in got if m[0] == b"K"][0][1][:4])[0]
    assert gw.values(ws.simple("select pg_backend_pid()")) == [str(pid)]


def test_a_login_step_by_step(gate):
    ws = gw.WebSocket(gate)
    ws.send(struct.pack("!II", 8, 80877103))
    assert ws.receive() == b"N"
    ws.send(gw.startup(user=gate.role, database=gate.db.name))
    assert ws.read() == (b"R", struct.pack("!I", 3))
    ws.send(gw.message(b"p", gate.password.encode() + b"\0"))
    assert ws.until(b"Z")[0] == (b"R", struct.pack("!I", 0))


@pytest.mark.parametrize("options, shown", [
    ("endpoint=ep-x -c search_path=pg_catalog", "pg_catalog"), ("project=p", '"$user", public'),
    ("-c search_path=a neon_x:y -c search_path=b", "b"), ('-c search_path="a\\ b"', '"a b"'),
])
def test_options_of_neon_are_taken_out(gate, options, shown):
    ws = gw.WebSocket(gate)
    ws.login(gate, options=options)
    found = gw.values(ws.simple("show search_path"))[0]
    assert found.replace('"', "") == shown.replace('"', "")


def test_settings_of_the_startup_packet_reach_the_server(gate):
    ws = gw.WebSocket(gate)
    ws.login(gate, statement_timeout="1234", DateStyle="SQL, DMY", TimeZone="Asia/Tokyo")
    assert gw.values(ws.simple("show statement_timeout")) == ["1234ms"]
    assert gw.values(ws.simple("show datestyle")) == ["SQL, DMY"]
    assert gw.values(ws.simple("show timezone")) == ["Asia/Tokyo"]


@pytest.mark.parametrize("prefix", ["", "endpoint=ep-x;", "endpoint=ep-x$"])
def test_passwords_are_checked_by_the_server(gate, prefix):
    ws = gw.WebSocket(gate)
    ws.send(gw.startup(user=gate.role, database=gate.db.name) + gw.message(b"p", (prefix + gate.password).encode() + b"\0"))
    assert ws.until(b"Z")[-1] is not None
    ws = gw.WebSocket(gate)
    ws.send(gw.startup(user=gate.role, database=gate.db.name) + gw.message(b"p", b"wrong\0"))
    error = gw.fields(ws.until(b"E")[-1][1])
    assert (error["C"], error["S"]) == ("28P01", "FATAL")
    assert ws.read() is None


def test_a_session_keeps_what_it_has(gate):
    ws = gw.WebSocket(gate)
    ws.login(gate)
    ws.simple("begin; create temp table t(a int); insert into t values (1)")
    assert gw.values(ws.simple("select a from t")) == ["1"]
    ws.simple("commit; prepare p as select 5; listen x")
    assert gw.values(ws.simple("execute p")) == ["5"]
    gate.db.sql("notify x, 'hello'")
    assert ws.until(b"A")[-1][1].endswith(b"x\0hello\0")
    ws.send(gw.message(b"X"))
    assert ws.read() is None


def test_frames_may_be_cut_anywhere(gate):
    ws = gw.WebSocket(gate)
    login = gw.startup(user=gate.role, database=gate.db.name) + gw.message(b"p", gate.password.encode() + b"\0")
    for i, byte in enumerate(login):
        ws.frame(bytes([byte]), opcode=2 if i == 0 else 0, fin=i == len(login) - 1)
        if i == 20:
            ws.frame(b"are you there?", opcode=9)
    assert ws.until(b"Z")[-1] == (b"Z", b"I")
    assert (10, b"are you there?") in ws.frames
    assert gw.values(ws.simple("select 'x'")) == ["x"]
    ws.frame(b"", opcode=2)
    assert gw.values(ws.simple("select 'y'")) == ["y"]


LIES = {
    "text": dict(payload=b"hello", opcode=1), "unmasked": dict(payload=b"hello", masked=False),
    "reserved bits": dict(payload=b"x", rsv=4), "unknown opcode": dict(payload=b"x", opcode=3),
    "long ping": dict(payload=b"x" * 200, opcode=9), "fragmented ping": dict(payload=b"x", opcode=9, fin=False),
    "continuation of nothing": dict(payload=b"x", opcode=0),
}


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES.keys())
def test_frames_that_break_the_protocol_end_it(gate, lie):
    ws = gw.WebSocket(gate)
    ws.login(gate)
    ws.frame(**lie)
    while (one := ws.read_frame()) is not None and one[0] != 8:
        pass
    assert one is not None and struct.unpack("!H", one[1][:2])[0] in (1002, 1003)
    assert gw.WebSocket(gate).login(gate)[-1] == (b"Z", b"I")


def test_a_length_that_never_comes_and_one_that_cannot_be(gate):
    for size in (2**62, 2**63):
        ws = gw.WebSocket(gate)
        ws.login(gate)
        ws.frame(b"Q", length=size)
        ws.sock.settimeout(1)
        try:
            assert ws.read_frame() in (None, (8, b"\x03\xea"))
        except TimeoutError:
            assert size == 2**62
        ws.close()
    assert gate.query("select 1")[0] == 200


@pytest.mark.plain  # AddressSanitizer keeps for a while what is freed
def test_a_flood_of_pings_whose_pongs_nobody_reads_is_ended(gate):
    ws = gw.WebSocket(gate)
    ws.login(gate)
    before = gate.memory()
    frame = bytes([0x89, 0x80 | 100]) + b"\0\0\0\0" + b"p" * 100
    ws.sock.settimeout(20)
    sent = 0
    with pytest.raises(ConnectionError):
        while sent < 600 << 20:
            sent += ws.sock.send(frame * 500)
    assert gate.memory() - before < 30 << 20
    assert gate.query("select 1")[0] == 200


@pytest.mark.parametrize("packet", [
    struct.pack("!II", 8, 196607), struct.pack("!II", 4, 0), struct.pack("!II", 2**31, 196608), struct.pack("!II", 100000, 196608),
    struct.pack("!II", 9, 196608) + b"\0", struct.pack("!II", 14, 196608) + b"user\0\0", struct.pack("!II", 13, 196608) + b"user\0",
    struct.pack("!II", 10, 131072) + b"xx", struct.pack("!II", 12, 80877102) + b"xxxx", struct.pack("!II", 16, 80877103) + b"x" * 8,
    b"GET / HTTP/1.1\r\n\r\n", b"\xff" * 20000,
])
def test_startup_packets_of_wrong_shape_are_refused(gate, packet):
    for client in (gw.Tcp(gate.pg_port), gw.WebSocket(gate)):
        client.send(packet)
        try:
            last = client.until(b"E")[-1]
        except ConnectionResetError:
            last = None
        assert last is None or gw.fields(last[1])["C"] == "08P01"
        client.close()


def test_large_results_and_requests_pass_with_a_slow_reader(gate):
    ws = gw.WebSocket(gate)
    ws.login(gate)
    digest = hashlib.md5(b"x" * 30_000_000).hexdigest()
    assert gw.values(ws.simple("select repeat('x', 20000000)"))[0] == "x" * 20_000_000
    text = "x" * 5_000_000
    assert gw.values(ws.simple(f"select length('{text}')")) == ["5000000"]
    assert len(digest) == 32


@pytest.mark.plain
def test_a_client_that_reads_nothing_holds_nobody_else_and_little_memory(gate):
    def at_work(where):
        return gate.server.value("SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'select repeat(''x'', 1000)%' AND " + where)
    ws = gw.WebSocket(gate)
    ws.login(gate)
    before = gate.memory()
    ws.frame(gw.message(b"Q", b"select repeat('x', 1000) from generate_series(1, 300000)\0"))
    gw.eventually(gate, lambda: at_work("wait_event = 'ClientWrite'") == 1, "the server cannot get rid of more")
    for _ in range(20):
        assert gate.query("select 1")[0] == 200
    assert at_work("wait_event = 'ClientWrite'") == 1
    assert gate.memory() - before < 20 << 20  # of 300 MB
    ws.close()
    gw.eventually(gate, lambda: at_work("state = 'active'") == 0, "its query has ended")


def test_a_cancel_request_reaches_the_session_it_names(gate):
    for ws, cancelling in ((gw.WebSocket(gate), gw.WebSocket(gate)), (gw.Tls(gate), gw.Tcp(gate.pg_port))):
        key = [m for m in ws.login(gate) if m[0] == b"K"][0][1]
        ws.send(gw.message(b"Q", b"select pg_sleep(600)\0"))
        gw.eventually(gate, lambda: gate.server.value(
            "SELECT count(*) FROM pg_stat_activity WHERE query = 'select pg_sleep(600)' AND state = 'active'") == 1, "it runs")
        wrong = gw.Tcp(gate.pg_port)
        wrong.send(struct.pack("!II", 16, 80877102) + key[:4] + b"abcd")
        assert wrong.receive() == b""
        cancelling.send(struct.pack("!II", 16, 80877102) + key)
        error = [m for m in ws.until(b"Z") if m[0] == b"E"][0]
        assert gw.fields(error[1])["C"] == "57014"
        ws.close()


# -- 5432

@pytest.mark.parametrize("params, fine", [
    (dict(sslmode="verify-full"), True), (dict(sslmode="verify-full", channel_binding="require"), True),
    (dict(sslmode="require", channel_binding="prefer"), True), (dict(sslmode="disable"), True),
    (dict(sslmode="disable", channel_binding="require"), False),
])
def test_psql_with_scram_and_channel_binding(scram_gate, params, fine):
    done = psql(scram_gate, "select current_user, 7", sslrootcert=scram_gate.ca, **params)
    assert (done.returncode == 0) == fine, done.stderr
    assert not fine or done.stdout == "app|7\n"


def test_a_password_beyond_ascii_is_normalised_as_postgresql_does(scram_gate, tmp_path):
    passwords = {"wide": "pa\u00dfw\u00f6rd\u00aa", "plain": "pa\u00dfw\u00f6rda", "apart": "pa\u00dfwo\u0308rd\u00aa",
                 "other": "pa\u00dfw\u00f6rdb", "bell": "w\u00f6\u0007", "bell apart": "wo\u0308\u0007"}
    server = scram_gate.server
    server.sql("CREATE ROLE bell LOGIN PASSWORD %s", (passwords["bell"],))
    server.sql("ALTER ROLE app PASSWORD %s", (passwords["wide"],))
    (tmp_path / "users.txt").write_text(f'"app" "{passwords["wide"]}"\n"bell" "{passwords["bell"]}"\n', encoding="utf-8")
    scram_gate.run.signal(1)

    def lets_in(port, role, name):
        done = psql(scram_gate, "select 1", user=role, password=passwords[name], sslmode="disable", port=port)
        assert done.returncode == 0 or "password authentication failed" in done.stderr, done.stderr
        return done.returncode == 0
    gw.eventually(scram_gate, lambda: lets_in(scram_gate.pg_port, "app", "wide"), "the roles were read again")
    cases = [("app", "wide", True), ("app", "plain", True), ("app", "apart", True), ("app", "other", False),
             ("bell", "bell", True), ("bell", "bell apart", False)]
    for port in (server.port, scram_gate.pg_port):
        assert [(role, name, lets_in(port, role, name)) for role, name, _ in cases] == cases


def direct(gate, protocols):
    context = ssl.create_default_context(cafile=gate.ca)
    if protocols:
        context.set_alpn_protocols(protocols)
    return context.wrap_socket(socket.create_connection(("127.0.0.1", gate.pg_port), 20), server_hostname="localhost")


def test_tls_may_come_without_being_asked_for_where_it_says_what_for(gate):
    client = gw.Tcp(gate.pg_port)
    client.sock = direct(gate, ["postgresql"])
    assert client.login(gate)[-1] == (b"Z", b"I")
    assert gw.values(client.simple("select 'direct'")) == ["direct"]
    for protocols in (None, ["http/1.1"], ["http/1.1", "postgresql"]):
        with contextlib.suppress(ConnectionError, ssl.SSLError), direct(gate, protocols) as sock:
            sock.sendall(gw.startup(user=gate.role, database=gate.db.name))
            assert sock.recv(100) == b"", protocols


def test_psql_17_with_direct_tls(scram_gate, pg_bin):
    done = psql(scram_gate, "select current_user", sslmode="verify-full", sslrootcert=scram_gate.ca, sslnegotiation="direct",
                channel_binding="require", program=pg_bin(17) / "psql")
    assert done.stdout == "app\n", done.stderr


def test_scram_refuses_wrong_passwords_and_unknown_roles_alike(scram_gate):
    for user, password in (("app", "wrong"), ("nobody", "x"), ("postgres", "x")):
        done = psql(scram_gate, "select 1", user=user, password=password, sslmode="disable")
        assert done.returncode != 0
        assert f'password authentication failed for user "{user}"' in done.stderr


def test_many_failed_logins_have_to_wait_on_every_way(scram_gate):
    def websocket(user):
        ws = gw.WebSocket(scram_gate)
        ws.send(gw.startup(user=user, database=scram_gate.db.name) + gw.message(b"p", b"guess\0"))
        error = gw.fields(ws.until(b"E")[-1][1])
        ws.close()
        return error["M"]

    def tcp(user):
        return psql(scram_gate, "select 1", user=user, password="guess", sslmode="disable").stderr
    for attempt, user in ((websocket, "ghost"), (tcp, "spectre")):
        said = [attempt(user) for _ in range(9)]
        assert all(f'password authentication failed for user "{user}"' in one for one in said[:5])
        assert "too many failed logins" in said[-1], said
    assert scram_gate.metric("throttled_total") >= 2
    assert psql(scram_gate, "select 1", sslmode="disable").stdout == "1\n"  # another role does not wait


def test_roles_are_read_again_on_hangup(scram_gate, tmp_path):
    scram_gate.server.sql("ALTER ROLE app PASSWORD 'fresh'")
    (tmp_path / "users.txt").write_text('"app" "fresh"\n', encoding="utf-8")
    scram_gate.run.signal(1)
    scram_gate.run.wait_for(
        lambda: psql(scram_gate, "select 1", password="fresh", sslmode="disable").returncode == 0, 20, "the new password")


def test_a_file_of_roles_that_cannot_be_read_again_is_said_to_be_just_that(scram_gate, tmp_path):
    users = tmp_path / "users.txt"
    before = users.read_text(encoding="utf-8")
    users.write_text("broken\n", encoding="utf-8")
    scram_gate.run.signal(1)
    gw.eventually(scram_gate, lambda: "were not read" in scram_gate.run.err, "it is said")
    users.write_text(before, encoding="utf-8")
    scram_gate.run.signal(1)
    gw.eventually(scram_gate, lambda: '"roles read again"' in scram_gate.run.err, "and that they were")
    err = scram_gate.stop().err
    assert err.index("roles were not read again") < err.index('"roles read again"')
    assert err.count('"roles read again"') == 1


def test_a_password_is_asked_for_under_tls_only(gate):
    assert psql(gate, "select 1", sslmode="verify-full", sslrootcert=gate.ca).stdout == "1\n"
    done = psql(gate, "select 1", sslmode="disable")
    assert done.returncode != 0 and "under TLS" in done.stderr
    done = psql(gate, "select 1", sslmode="verify-full", sslrootcert=gate.ca, channel_binding="require")
    assert done.returncode != 0


def test_bytes_behind_the_request_for_tls_are_a_stranger(gate):
    client = gw.Tcp(gate.pg_port)
    client.send(struct.pack("!II", 8, 80877103) + gw.startup(user="x"))
    assert client.receive() in (b"S", b"")
    assert client.receive() == b""


def test_a_copy_both_ways_through_5432(scram_gate, tmp_path):
    data = "".join(f"{i}\tline {i}\n" for i in range(50000))
    (tmp_path / "in.txt").write_text(data, encoding="utf-8")
    assert psql(scram_gate, "create table c(a int, b text)", sslmode="require").returncode == 0
    assert psql(scram_gate, f"\\copy c from '{tmp_path}/in.txt'", sslmode="require").returncode == 0
    assert psql(scram_gate, "\\copy (select * from c order by a) to stdout", sslmode="require").stdout == data


def test_upstream_by_socket_and_by_tls(homeport, servers, tmp_path):
    server = servers.new(15)
    key, cert = server.data_dir / "server.key", server.data_dir / "server.crt"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                    "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", cert],
                   check=True, capture_output=True)
    os.chmod(key, 0o600)
    os.chmod(cert, 0o644)
    if os.geteuid() == 0:
        subprocess.run(["chown", "postgres", key, cert], check=True)
    server.restart(ssl="on")
    ca = tmp_path / "ca.crt"
    ca.write_bytes(cert.read_bytes())
    users = tmp_path / "u.txt"
    users.write_text('"app" "pw-of-role"\n', encoding="utf-8")
    tls = f"--upstream=postgresql://localhost:{server.port}/?sslmode=verify-full&sslrootcert={ca}&hostaddr=127.0.0.1"
    gate = gw.Gateway(homeport, server, tls, roles_file=users)
    assert gate.rows("select ssl from pg_stat_ssl where pid = pg_backend_pid()") == [["t"]]
    done = psql(gate, "select ssl from pg_stat_ssl where pid = pg_backend_pid()", sslmode="verify-full", sslrootcert=gate.ca,
                channel_binding="require")
    assert done.stdout == "t\n", done.stderr
    ws = gw.WebSocket(gate)
    ws.login(gate)
    assert gw.values(ws.simple("select repeat('x', 3000000)"))[0] == "x" * 3_000_000
    gate.stop()
    # Its pg_hba.conf says `trust` there.
    by_socket = f"--upstream=postgresql:///?host={server.socket_dir}&port={server.port}"
    gate = gw.Gateway(homeport, server, by_socket, "--trust-upstream", f"--gateway-state={tmp_path}/s.json", database=gate.db)
    assert gate.rows("select client_addr is null from pg_stat_activity where pid = pg_backend_pid()") == [["t"]]


def test_nobody_comes_in_by_a_server_that_asks_for_no_password(homeport, servers, tmp_path):
    server = servers.get(15, "target")
    users = tmp_path / "u.txt"
    users.write_text('"app" "pw-of-role"\n', encoding="utf-8")
    by_socket = f"--upstream=postgresql:///?host={server.socket_dir}&port={server.port}"
    gate = gw.Gateway(homeport, server, by_socket, roles_file=users)
    for role in ("app", "postgres"):
        status, body = gate.query("select 1", url=gate.url(role=role, password="whatever"))
        assert (status, body["code"]) == (400, "42501") and "--trust-upstream" in body["hint"]
    ws = gw.WebSocket(gate)
    ws.send(gw.startup(user="postgres", database=gate.db.name) + gw.message(b"p", b"whatever\0"))
    assert gw.fields(ws.until(b"E")[-1][1])["C"] == "42501"
    # On 5432 the gateway has checked the password by itself.
    assert psql(gate, "select current_user", sslmode="disable").stdout == "app\n"
    assert psql(gate, "select 1", password="whatever", sslmode="disable").returncode != 0
    url = f"postgresql://app:pw-of-role@localhost/{gate.db.name}?sslmode=require"
    ports = [f"--port={gate.tls_port}", f"--pg-port={gate.pg_port}", f"--dir={gate.dir}", "--json"]
    gate.stop()
    assert gate.run.wait().err.count("the upstream asks for no password") == 1  # of all these attempts
    gate.options.append("--trust-upstream")
    gate.start()
    assert gate.query("select 1", url=gate.url(password="whatever"))[0] == 200
    result = homeport("gateway", "doctor", url, *ports)
    assert result.rc == 3 and [c["what"] for c in result.json["checks"] if not c["ok"]] == ["a wrong password"]


# -- TLS

def test_the_certificate_is_for_every_name_and_tickets_are_taken(gate):
    ctx = ssl.create_default_context(cafile=gate.ca)
    ctx.set_alpn_protocols(["http/1.1"])
    session = None
    for name in ("localhost", "db.neon.test", "api.neon.test", "localhost"):
        with ctx.wrap_socket(gw.Tcp(gate.tls_port).sock, server_hostname=name, session=session) as sock:
            sock.sendall(f"POST /x HTTP/1.1\r\nHost: {name}\r\nContent-Length: 0\r\n\r\n".encode())
            assert sock.recv(1000).startswith(b"HTTP/1.1 400")
            assert (sock.version(), sock.selected_alpn_protocol()) == ("TLSv1.3", "http/1.1")
            assert sock.session_reused == (session is not None)
            session = sock.session
    ctx.maximum_version = ssl.TLSVersion.TLSv1_2
    with ctx.wrap_socket(gw.Tcp(gate.tls_port).sock, server_hostname="localhost") as sock:
        assert sock.version() == "TLSv1.2"
    ctx.minimum_version, ctx.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    with pytest.raises(OSError):
        ctx.wrap_socket(gw.Tcp(gate.tls_port).sock, server_hostname="localhost")


def test_a_new_certificate_is_taken_without_dropping_anybody(gate, homeport):
    ctx = ssl.create_default_context(cafile=gate.ca)

    def serial():
        with ctx.wrap_socket(gw.Tcp(gate.tls_port).sock, server_hostname="localhost") as sock:
            return sock.getpeercert()["serialNumber"]
    before = serial()
    with ctx.wrap_socket(gw.Tcp(gate.tls_port).sock, server_hostname="localhost") as old:
        homeport.ok("gateway", "cert", "--names=localhost", f"--dir={gate.dir}")
        gate.run.signal(1)
        gw.eventually(gate, lambda: serial() != before, "the new one is shown")
        old.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert old.recv(100).startswith(b"HTTP/1.1 400")


def test_a_certificate_is_made_again_before_it_ends_and_nobody_is_dropped(homeport, servers):
    gate = gw.Gateway(homeport, servers.get(15, "target"), "--cert-life-s=9")
    ctx = ssl.create_default_context(cafile=gate.ca)

    def shown():
        with ctx.wrap_socket(gw.Tcp(gate.tls_port).sock, server_hostname="localhost") as sock:
            return sock.getpeercert()
    first = shown()
    with ctx.wrap_socket(gw.Tcp(gate.tls_port).sock, server_hostname="localhost") as old:
        # Each look is a handshake that trusts the CA: none of them met a certificate that had ended.
        gw.eventually(gate, lambda: shown()["serialNumber"] != first["serialNumber"], "the next one is shown")
        assert time.time() < ssl.cert_time_to_seconds(first["notAfter"]) < ssl.cert_time_to_seconds(shown()["notAfter"])
        old.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert old.recv(100).startswith(b"HTTP/1.1 400")


def shows(gate, name):
    ctx = ssl.create_default_context(cafile=gate.ca)
    try:
        with ctx.wrap_socket(gw.Tcp(gate.tls_port).sock, server_hostname=name) as sock:
            return sock.getpeercert()["serialNumber"]
    except ssl.SSLCertVerificationError:
        return None


def test_a_name_that_was_added_is_in_the_certificate_from_the_next_start(homeport, servers):
    gate = gw.Gateway(homeport, servers.get(15, "target"))
    first = shows(gate, "db.neon.test")
    assert first and not shows(gate, "app-pooler.neon.test")
    gate.stop()
    gate.start()
    assert shows(gate, "db.neon.test") == first  # one that fits is kept
    gate.stop()
    gate.options.append("--names=localhost,db.neon.test,app-pooler.neon.test")
    gate.start()
    assert shows(gate, "app-pooler.neon.test") and shows(gate, "api.neon.test")
    gate.stop()
    (gate.ca.parent / "ca.key").unlink()  # the owner keeps it elsewhere
    gate.options.append("--names=localhost,other.neon.test")
    gate.start()
    assert shows(gate, "localhost") and not shows(gate, "other.neon.test")
    assert "could not be made again" in gate.stop().err


def test_a_key_of_the_ca_that_others_may_read_signs_nothing(homeport, tmp_path):
    make = ("gateway", "cert", "--names=localhost", f"--dir={tmp_path / 'it is'}")
    homeport.ok(*make)
    key = tmp_path / "it is/gateway-tls/ca.key"
    assert key.stat().st_mode & 0o777 == 0o600
    for mode in (0o644, 0o602):
        key.chmod(mode)
        refused = homeport(*make)
        assert refused.rc == 1 and "others may read the CA's key" in refused.err, str(refused)
        assert f"chmod 600 '{key}'" in refused.err
    key.chmod(0o600)
    homeport.ok(*make)


def test_passwords_of_the_roles_that_others_may_read_are_warned_of(homeport, servers, tmp_path):
    users = tmp_path / "users.txt"
    users.write_text('"app" "pw-of-role"\n', encoding="utf-8")
    users.chmod(0o600)
    gate = gw.Gateway(homeport, servers.get(15, "target"), "--threads=1", roles_file=users)
    gate.run.signal(signal.SIGHUP)
    gate.run.wait_for(lambda: gate.run.err.count("roles read again") == 1, 10, "it has read them")
    assert "others may read" not in gate.run.err
    users.chmod(0o644)
    gate.run.signal(signal.SIGHUP)
    gate.run.wait_for(lambda: gate.run.err.count("roles read again") == 2, 10, "it has read them")
    assert gate.run.err.count("others may read the passwords of the roles") == 1 and f"chmod 600 {users}" in gate.run.err
    assert psql(gate, "select 1").stdout == "1\n"  # it serves: a container may be given secrets in no other mode


def test_a_certificate_near_its_end_is_shown_also_where_nobody_says_for_what_to_make_the_next(homeport, servers):
    gate = gw.Gateway(homeport, servers.get(15, "target"))
    gate.stop()
    homeport.ok("gateway", "cert", "--names=localhost", "--cert-life-s=864000", f"--dir={gate.dir}")
    gate.options.remove("--names=localhost,db.neon.test")
    gate.start()
    assert shows(gate, "localhost")
    assert "ends soon" in gate.stop().err
    homeport.ok("gateway", "cert", "--names=localhost", "--cert-life-s=3", f"--dir={gate.dir}")
    look = ["openssl", "x509", "-checkend", "0", "-noout", "-in", gate.ca.parent / "gateway.crt"]
    wait.until(lambda: subprocess.run(look, capture_output=True).returncode, 20, "it has ended")
    ended = homeport("gateway", *gate.options)
    assert ended.rc == 2 and "has ended" in ended.err


def test_the_owners_certificate_is_shown_and_read_again(homeport, servers, tmp_path):
    cert, key = tmp_path / "own.crt", tmp_path / "own.key"

    def make(name):
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                        "-subj", f"/CN={name}", "-addext", "subjectAltName=DNS:own.test", "-keyout", key, "-out", cert],
                       check=True, capture_output=True)

    def shown():
        ctx = ssl.create_default_context(cafile=cert)
        try:
            with ctx.wrap_socket(gw.Tcp(gate.tls_port).sock, server_hostname="own.test") as sock:
                return sock.getpeercert()["subject"][0][0][1]
        except ssl.SSLError:
            return None
    make("first")
    gate = gw.Gateway(homeport, servers.get(15, "target"), f"--cert={cert}", f"--key={key}")
    assert shown() == "first"
    make("second")
    assert shown() is None
    gate.run.signal(1)
    gw.eventually(gate, lambda: shown() == "second", "it is read again")


@pytest.mark.parametrize("kind, protocol", [(gw.WebSocket, "websocket"), (gw.Tls, "tcp")])
def test_the_metrics_and_the_log_tell_of_sessions_while_they_last(homeport, servers, kind, protocol):
    gate = gw.Gateway(homeport, servers.get(15, "target"), "--slow-ms=200", "--verbose")

    def metric(name, more=""):
        return gate.metric(f'{name}{{protocol="{protocol}"{more}}}')
    session = kind(gate)
    session.login(gate)
    assert metric("clients") == 1 and metric("wait_seconds_count") == 1 and metric("request_seconds_count") == 0
    session.simple("select 1/0")
    session.simple("select 1; select no_such_column")
    session.simple("select pg_sleep(0.3), repeat('x', 100000)")
    assert metric("errors_total", ',class="22"') == 1 and metric("errors_total", ',class="42"') == 1
    assert metric("request_seconds_count") == 3
    assert metric("request_seconds_bucket", ',le="0.2"') == 2 and metric("request_seconds_sum") > 0.3
    gw.eventually(gate, lambda: metric("bytes_out_total") > 100000 and metric("bytes_in_total") > 100, "its bytes are counted")
    refused = kind(gate)
    refused.send(gw.startup(user="app", database=gate.db.name) + gw.message(b"p", b"Falsch-77\0"))
    refused.until(b"E")
    assert metric("errors_total", ',class="28"') == 1
    err = gate.stop().err
    assert f'"slow request" protocol={protocol} database={gate.db.name} role=app' in err
    assert err.count(f" request protocol={protocol}") == 2
    assert f'"login refused" protocol={protocol} peer=127.0.0.1 database={gate.db.name} role=app sqlstate=28P01' in err
    for secret in ("Falsch-77", "pg_sleep", "no_such_column", gate.password):
        assert secret not in err


def test_many_sessions_at_once(gate):
    failed = []

    def work():
        ws = gw.WebSocket(gate)
        ws.login(gate)
        for i in range(20):
            if gw.values(ws.simple(f"select {i}")) != [str(i)]:
                failed.append(i)
        ws.close()
    threads = [threading.Thread(target=work) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
