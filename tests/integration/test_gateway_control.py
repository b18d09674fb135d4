"""Pause, switch, resume: clients wait instead of failing, and a restart never goes back."""

import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import threading

import pytest

import gateway as gw
import wait


class Two:
    """The same database on an old and a new server; `side` says which one answered."""

    def __init__(self, homeport, servers, *options):
        self.old, self.new = gw.two_sides(servers)
        database = gw.postgres.Database(self.old, "shop")
        self.gate = gw.Gateway(homeport, self.old, "--threads=2", *options, database=database)
        self.new_url = f"postgresql://127.0.0.1:{self.new.port}/"

    def side(self):
        return self.gate.rows("select name from side")[0][0]


@pytest.fixture
def two(homeport, servers):
    return Two(homeport, servers)


def test_no_request_fails_across_a_switch(two):
    stop = threading.Event()
    seen, failed = [], []

    def work():
        client = two.gate.client()
        while not stop.is_set():
            status, body = client.query("select name from side")
            (seen if status == 200 else failed).append(body)
        client.close()
    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    gw.eventually(two.gate, lambda: len(seen) > 50, "traffic")
    reply = two.gate.ask("switch", f"--to={two.new_url}").json
    assert (reply["state"], reply["generation"]) == ("serving", 2)
    count = len(seen)
    gw.eventually(two.gate, lambda: len(seen) > count + 50, "traffic after it")
    stop.set()
    for thread in threads:
        thread.join()
    assert not failed, failed[:3]
    names = [body["rows"][0][0] for body in seen]
    assert names[0] == "old" and names[-1] == "new" and two.side() == "new"


def test_new_work_waits_while_it_is_paused(two):
    assert two.gate.ask("pause").json["state"] == "paused"
    assert two.gate.health() == "paused" and two.gate.backends() == 0
    client, ws, tcp = two.gate.client(), gw.WebSocket(two.gate), gw.Tls(two.gate)
    client.send(json.dumps({"query": "select name from side"}))
    login = gw.startup(user="app", database="shop") + gw.message(b"p", b"pw-of-role\0")
    ws.send(login + gw.message(b"Q", b"select name from side\0"))
    tcp.send(login)
    gw.eventually(two.gate, lambda: two.gate.ask("status").json["waiting"] == 3, "all three wait")
    assert two.gate.ask("switch", f"--to={two.new_url}").json["state"] == "paused"
    assert two.gate.ask("resume").json["state"] == "serving"
    assert client.receive()[1]["rows"] == [["new"]]
    ws.until(b"Z")
    assert gw.values(ws.until(b"Z")) == ["new"]
    assert tcp.until(b"Z")[-1] == (b"Z", b"I")
    assert gw.values(tcp.simple("select name from side")) == ["new"]
    assert two.gate.ask("status").json["waiting"] == 0


@pytest.mark.parametrize("kind", [gw.WebSocket, gw.Tls])
def test_running_transactions_end_and_idle_sessions_are_told_57p01(two, kind):
    idle, busy = kind(two.gate), kind(two.gate)
    idle.login(two.gate)
    busy.login(two.gate)
    busy.simple("begin")
    pausing = two.gate.homeport.start("gateway", "pause", "--deadline=30", f"--admin={two.gate.admin}", "--json")
    error = gw.fields(idle.until(b"E")[-1][1])
    assert (error["C"], error["S"]) == ("57P01", "FATAL")
    assert idle.read() is None
    assert pausing.running and two.gate.health() == "pausing"
    assert gw.values(busy.simple("select name from side")) == ["old"]
    assert busy.simple("commit")[-1] == (b"Z", b"I")
    assert gw.fields(busy.until(b"E")[-1][1])["C"] == "57P01"
    assert pausing.wait().json["state"] == "paused"


@pytest.mark.parametrize("kind", [gw.WebSocket, gw.Tls])
def test_a_transaction_at_the_deadline_undoes_the_pause(two, kind):
    busy, client = kind(two.gate), two.gate.client()
    busy.login(two.gate)
    busy.simple("begin")
    pausing = two.gate.homeport.start("gateway", "pause", "--deadline=1", f"--admin={two.gate.admin}", "--json")
    gw.eventually(two.gate, lambda: two.gate.health() == "pausing", "it pauses")
    client.send(json.dumps({"query": "select 1"}))
    result = pausing.wait()
    assert result.rc == 1 and "the pause was undone" in result.err
    assert client.receive()[0] == 200 and two.gate.health() == "serving"
    assert busy.simple("commit")[-1] == (b"Z", b"I")  # it never noticed


@pytest.mark.parametrize("kind", [gw.WebSocket, gw.Tls])
def test_force_ends_what_is_left(two, kind):
    busy, client = kind(two.gate), two.gate.client()
    busy.login(two.gate)
    busy.simple("begin")
    client.send(json.dumps({"query": "select pg_sleep(600)"}))
    gw.eventually(two.gate, lambda: two.gate.metric("pool_busy") == 1, "it runs")
    reply = two.gate.ask("switch", f"--to={two.new_url}", "--deadline=1", "--force").json
    assert reply["state"] == "serving"
    assert gw.fields(busy.until(b"E")[-1][1])["C"] == "57P01"
    status, body = client.receive()
    assert (status, body["code"]) == (500, "57P01") and "retry-after" not in client.headers
    assert two.side() == "new"


# From the first cancel on it hears of none for 1.5 s, as a COMMIT that waits for its disk or a standby. The outer
# block is for a second cancel that comes while the first is being caught.
STUBBORN = """create function stubborn() returns void language plpgsql as $$
declare
    over timestamptz := clock_timestamp() + interval '1 min';
begin
    while clock_timestamp() < over loop
        begin
            while clock_timestamp() < over loop
                begin
                    perform pg_sleep(extract(epoch from over - clock_timestamp()));
                exception when query_canceled then
                    over := least(over, clock_timestamp() + interval '1.5 s');
                end;
            end loop;
        exception when query_canceled then
            over := least(over, clock_timestamp() + interval '1.5 s');
        end;
    end loop;
    insert into side values ('late');
end $$"""


def at_work(two, where="state = 'active'"):
    """Processes of the old server that run it."""
    return [row[0] for row in two.old.sql(f"select pid from pg_stat_activity where query = 'select stubborn()' and {where}")]


def begin_stubborn(two, kind):
    client = kind(two.gate)
    if kind is gw.Client:
        client.send(json.dumps({"query": "select stubborn()"}))
    else:
        client.login(two.gate)
        client.send(gw.message(b"Q", b"select stubborn()\0"))
    gw.eventually(two.gate, lambda: at_work(two, "wait_event = 'PgSleep'"), "it runs")
    return client


@pytest.mark.parametrize("kind", [gw.Client, gw.WebSocket, gw.Tls])
def test_a_switch_waits_for_what_the_old_server_still_does_for_who_has_left(two, kind):
    two.old.sql(STUBBORN, dbname="shop")
    two.old.sql("grant insert on side to app", dbname="shop")
    begin_stubborn(two, kind).close()
    gw.eventually(two.gate, lambda: two.gate.metric("cancels_total") == 1, "its end was noticed")
    assert two.gate.ask("switch", f"--to={two.new_url}").json["generation"] == 2
    assert not at_work(two)
    assert two.old.value("select count(*) from side", dbname="shop") == 2
    assert two.side() == "new"


def test_a_switch_waits_also_for_what_was_begun_without_a_sync(two):
    """As cursors and pipelines ask for it: with Flush, and nothing that says that it is to be answered in full."""
    two.old.sql(STUBBORN, dbname="shop")
    two.old.sql("grant insert on side to app", dbname="shop")
    client = gw.Tls(two.gate)
    client.login(two.gate)
    client.send(gw.message(b"P", b"\0select stubborn()\0\0\0") + gw.message(b"B", b"\0\0" + bytes(6))
                + gw.message(b"E", b"\0" + bytes(4)) + gw.message(b"H"))
    gw.eventually(two.gate, lambda: at_work(two, "wait_event = 'PgSleep'"), "it runs")
    client.close()
    gw.eventually(two.gate, lambda: two.gate.metric("cancels_total") == 1, "its end was noticed")
    assert two.gate.ask("switch", f"--to={two.new_url}").json["generation"] == 2
    assert not at_work(two)
    assert two.side() == "new"


def test_a_server_that_is_stuck_holds_up_a_switch_for_a_few_seconds_only(two):
    two.old.sql(STUBBORN, dbname="shop")
    client = begin_stubborn(two, gw.Client)
    pid = at_work(two)[0]
    os.kill(pid, signal.SIGSTOP)
    try:
        reply = two.gate.ask("switch", f"--to={two.new_url}", "--deadline=1", "--force").json
        assert (reply["state"], reply["generation"]) == ("serving", 2)
        assert 4000 < reply["took_ms"] < 7000
    finally:
        os.kill(pid, signal.SIGCONT)
    assert client.receive()[1]["code"] == "57P01" and two.side() == "new"


def test_a_caller_that_goes_away_undoes_its_pause(two):
    busy = gw.WebSocket(two.gate)
    busy.login(two.gate)
    busy.simple("begin")
    pausing = two.gate.homeport.start("gateway", "pause", "--deadline=60", f"--admin={two.gate.admin}")
    gw.eventually(two.gate, lambda: two.gate.health() == "pausing", "it pauses")
    pausing.kill()
    gw.eventually(two.gate, lambda: two.gate.health() == "serving", "the pause was undone")


def test_a_restart_goes_on_where_it_was(two):
    two.gate.ask("switch", f"--to={two.new_url}")
    two.gate.run.kill()
    two.gate.start()
    assert two.side() == "new"
    state = json.loads((two.gate.dir / "gateway.json").read_text(encoding="utf-8"))
    assert state["generation"] == 2
    two.gate.ask("pause")
    two.gate.run.kill()
    two.gate.start()
    assert two.gate.health() == "paused"
    two.gate.ask("resume")
    assert two.side() == "new"


@pytest.mark.parametrize("damage", ["", "{}", '{"generation":2,"paused":false,"url":5,"configured":"x"}', "nonsense"])
def test_a_state_that_cannot_be_read_is_not_guessed(two, damage):
    two.gate.ask("switch", f"--to={two.new_url}")
    two.gate.run.kill()
    (two.gate.dir / "gateway.json").write_text(damage, encoding="utf-8")
    result = two.gate.homeport("gateway", *two.gate.options)
    assert result.rc == 1 and "does not say which server is the current one" in result.err


def test_a_state_that_has_gone_is_not_guessed(two):
    two.gate.ask("switch", f"--to={two.new_url}")
    two.gate.run.kill()
    (two.gate.dir / "gateway.json").unlink()
    result = two.gate.homeport("gateway", *two.gate.options)
    assert result.rc == 1 and "gateway.json\" is not there any more" in result.err
    assert not (two.gate.dir / "gateway.json").exists()
    (two.gate.dir / "gateway.json.lock").unlink()  # as the hint says
    two.gate.start()


def test_a_first_start_that_fails_is_no_state_that_has_gone(two):
    options = [o if "--dir" not in o else f"--dir={two.gate.dir}/other" for o in two.gate.options]
    result = two.gate.homeport("gateway", *options, "--roles-file=/nonexistent", f"--admin={two.gate.dir}/b.sock")
    assert result.rc == 1 and "/nonexistent" in result.err
    two.gate.stop()
    two.gate.options = options
    two.gate.start()


def test_a_second_start_writes_nothing_and_takes_no_connection(two):
    def written():
        info = (two.gate.dir / "gateway.json").stat()
        return info.st_ino, info.st_mtime_ns
    before = written()
    for more in ([], [f"--admin={two.gate.dir}/other.sock"]):
        result = two.gate.homeport("gateway", *two.gate.options, *more)
        assert result.rc == 1 and f"process {two.gate.run.pid} serves with" in result.err, result
    assert written() == before
    assert two.side() == "old" and two.gate.ask("status").json["generation"] == 1


def test_another_gateways_ports_are_not_shared(two):
    options = [o for o in two.gate.options if not o.startswith(("--dir", "--admin"))]
    result = two.gate.homeport("gateway", *options, f"--dir={two.gate.dir}/other")
    assert result.rc == 1 and "another process listens there already" in result.err
    assert all(two.side() == "old" for _ in range(20))


def test_another_configuration_after_a_switch_is_refused(two):
    two.gate.ask("switch", f"--to={two.new_url}")
    two.gate.run.kill()
    options = [o if "--upstream" not in o else "--upstream=postgresql://10.1.2.3/" for o in two.gate.options]
    result = two.gate.homeport("gateway", *options)
    assert result.rc == 1 and "neither the current one" in result.err
    options = [o if "--upstream" not in o else f"--upstream={two.new_url}?connect_timeout=3" for o in two.gate.options]
    two.gate.options = options
    two.gate.start()
    assert two.side() == "new"


def test_passwords_of_urls_stay_out_of_the_state(two):
    two.gate.ask("switch", f"--to=postgresql://boss:Gehe1m-9@127.0.0.1:{two.new.port}/")
    assert "Gehe1m-9" not in (two.gate.dir / "gateway.json").read_text(encoding="utf-8")
    assert two.side() == "new"


def test_the_socket_is_for_its_owner(two):
    assert os.stat(two.gate.admin).st_mode & 0o777 == 0o600
    if os.geteuid() == 0:
        done = subprocess.run(
            ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", "python3", "-c",
             f"import socket; s=socket.socket(socket.AF_UNIX); s.connect({two.gate.admin!r})"],
            capture_output=True, text=True, check=False)
        assert done.returncode != 0


@pytest.mark.parametrize("line", [b"\n", b"{}\n", b"nonsense\n", b'{"verb":"switch"}\n', b'{"verb":"pause","deadline_ms":-1}\n',
                                  b'{"verb":"switch","url":"mysql://x"}\n', b"x" * 100000])
def test_nonsense_on_the_socket_changes_nothing(two, line):
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(two.gate.admin)
        sock.settimeout(10)
        try:
            sock.sendall(line)
            reply = sock.recv(10000)
        except (BrokenPipeError, ConnectionResetError):
            reply = b""
    assert reply == b"" or json.loads(reply)["ok"] is False
    assert two.gate.health() == "serving" and two.side() == "old"


def test_nobody_answers_where_no_gateway_is(homeport, tmp_path):
    result = homeport("gateway", "status", f"--admin={tmp_path}/none")
    assert result.rc == 1 and "no gateway answers" in result.err
    result = homeport("gateway", "switch", f"--admin={tmp_path}/none")
    assert result.rc == 2


def test_a_stop_lets_running_requests_end(two):
    client, idle = two.gate.client(), two.gate.client()
    idle.query("select 1")
    client.send(json.dumps({"query": "select pg_sleep(0.7), 'done'"}))
    gw.eventually(two.gate, lambda: two.gate.metric("pool_busy") == 1, "it runs")
    two.gate.run.signal(15)
    assert client.receive()[1]["rows"][0][1] == "done"
    assert client.headers["connection"] == "close"
    assert two.gate.run.wait(20).rc == 0


def test_a_stop_waits_no_longer_than_it_should(homeport, servers):
    two = Two(homeport, servers, "--drain-ms=500")
    client = two.gate.client()
    client.send(json.dumps({"query": "select pg_sleep(600)"}))
    gw.eventually(two.gate, lambda: two.gate.metric("pool_busy") == 1, "it runs")
    assert two.gate.stop(10).rc == 0


def test_doctor_finds_what_is_right_and_says_what_is_not(two, homeport):
    base = [f"--dir={two.gate.dir}", "--json"]
    url = "postgresql://app:pw-of-role@localhost/shop?sslmode=require"
    result = homeport("gateway", "doctor", url, f"--port={two.gate.tls_port}", f"--pg-port={two.gate.pg_port}", *base)
    assert result.rc == 0, result
    assert [c["what"].split(" ")[0:2] for c in result.json["checks"]] == [
        ["localhost", "resolves"], ["TLS", "of"], ["a", "query"], ["a", "query"], ["a", "query"], ["a", "wrong"]]
    result = homeport("gateway", "doctor", url.replace("pw-of-role", "wrong"), f"--port={two.gate.tls_port}",
                      f"--pg-port={two.gate.pg_port}", *base)
    assert result.rc == 3
    failed = {c["what"]: c for c in result.json["checks"] if not c["ok"]}
    assert set(failed) == {f"a query over {way}" for way in ("HTTP", "a WebSocket", "TCP")}
    for check in failed.values():
        assert 'password authentication failed for user "app"' in check["detail"]
        assert "role, password" in check["fix"]
    # Who says nothing about TLS is told what happened under it, and not of a second try without.
    result = homeport("gateway", "doctor", "postgresql://nobody:wrong@localhost/shop", f"--port={two.gate.tls_port}",
                      f"--pg-port={two.gate.pg_port}", *base)
    tcp = result.json["checks"][-1]
    assert tcp["what"] == "a query over TCP" and 'failed for user "nobody"' in tcp["detail"], tcp
    assert "role, password" in tcp["fix"]
    result = homeport("gateway", "doctor", "postgresql://app:pw-of-role@localhost/shop", f"--port={two.gate.tls_port}",
                      "--pg-port=1", *base)
    assert [c["what"] for c in result.json["checks"] if "--listen-pg" in (c["fix"] or "")] == ["a query over TCP"]
    result = homeport("gateway", "doctor", "postgresql://app:pw@db.nowhere.invalid/shop", *base)
    assert result.rc == 3 and all("hosts" in c["fix"] for c in result.json["checks"])
    assert homeport("gateway", "doctor", "postgresql://app:pw@127.0.0.1/shop", *base).rc == 2


def test_doctor_verifies_the_certificate_on_5432_as_libpq_does(homeport, servers, tmp_path):
    """By the CA that the driver is given: a server of another one answers there as well."""
    server = servers.new(15)
    gate = gw.Gateway(homeport, server)
    cert, key = gw.make_certificate(tmp_path, "localhost")
    for path in (cert, key):
        copy = pathlib.Path(shutil.copy(path, server.data_dir))
        copy.chmod(0o600)
        if os.geteuid() == 0:
            shutil.chown(copy, "postgres", "postgres")
    server.sql(f"ALTER SYSTEM SET ssl_cert_file = '{cert.name}'")
    server.sql(f"ALTER SYSTEM SET ssl_key_file = '{key.name}'")
    server.sql("ALTER SYSTEM SET ssl = on")
    server.sql("SELECT pg_reload_conf()")
    wait.until(lambda: server.value("SHOW ssl") == "on", 10, "the server speaks TLS")

    def over_tcp(port, query="", ca=gate.ca):
        url = f"postgresql://app:pw-of-role@localhost/{gate.db.name}{query}"
        result = homeport("gateway", "doctor", url, f"--port={gate.tls_port}", f"--pg-port={port}", f"--ca={ca}", "--json")
        check, = (c for c in result.json["checks"] if c["what"] == "a query over TCP")
        assert check["ok"] == (result.rc == 0), result
        return check
    for query in ("", "?sslmode=require"):
        check = over_tcp(server.port, query)
        assert "certificate verify failed" in check["detail"] and f"sslrootcert={gate.ca}" in check["fix"], check
    assert over_tcp(server.port, "?sslmode=disable")["ok"]  # as the URL says
    odd = tmp_path / "the ca's & more %.crt"
    shutil.copy(gate.ca, odd)
    for query in ("", "?sslmode=require", "?sslmode=verify-full&sslrootcert=/nowhere"):
        assert over_tcp(gate.pg_port, query, odd)["detail"] == "answered, under TLS"


def test_env_prints_the_lines_of_the_app(homeport):
    result = homeport.ok("gateway", "env", "--names=pg.db.internal")
    assert result.out.splitlines()[0] == "DATABASE_URL=postgresql://USER:PASSWORD@pg.db.internal/DATABASE"
    # Node passes over a file that is not there, and the app starts wherever it starts.
    assert result.out.splitlines()[1] == f"NODE_EXTRA_CA_CERTS={homeport.cwd}/.homeport/gateway-tls/ca.crt"
    assert "api.db.internal" in result.err and "not there yet" in result.err
    homeport.ok("gateway", "cert", "--names=pg.db.internal")
    again = homeport.ok("gateway", "env", "--names=pg.db.internal")
    assert again.out == result.out and "not there yet" not in again.err
    assert homeport.ok("gateway", "env", "--names=neondb", "--tls-dir=/run/ca").out.splitlines()[1] == (
        "NODE_EXTRA_CA_CERTS=/run/ca/ca.crt")
    assert homeport("gateway", "env", "--names=127.0.0.1").rc == 2
