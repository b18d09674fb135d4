"""Neon as the upstream, before the cutover. Neon itself is not here: a stand-in asks for what Neon asks
for at its door (TLS, the endpoint by SNI or by the option `endpoint`), and then leads to a server."""

import contextlib
import select
import socket
import ssl
import struct
import threading

import pytest

import gateway as gw
from live import Live

ENDPOINT = "ep-quiet-sea-123456"
HOST = f"{ENDPOINT}.stand-in.test"
SSL_REQUEST = 80877103


class StandIn:
    """A door like Neon's before a server, on a port of its own."""

    def __init__(self, server, cert, key):
        self.server = server
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(cert, key)
        self.context.sni_callback = lambda sock, name, _: setattr(sock, "asked_for", name)
        self.seen = []  # per connection: the name of SNI, and the startup packet's options
        self.refused = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def url(self, host, **params):
        return f"postgresql://{host}:{self.port}/?" + "&".join(f"{key}={value}" for key, value in params.items())

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                sock, _ = self.listener.accept()
                threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    @staticmethod
    def _packet(sock):
        head = sock.recv(4, socket.MSG_WAITALL) if not isinstance(sock, ssl.SSLSocket) else sock.recv(4)
        body = b""
        while len(body) < struct.unpack("!I", head)[0] - 4:
            body += sock.recv(struct.unpack("!I", head)[0] - 4 - len(body))
        return body

    def _refuse(self, sock, why):
        self.refused.append(why)
        sock.sendall(gw.message(b"E", b"SFATAL\0C08P01\0M" + why.encode() + b"\0\0"))
        sock.close()

    def _serve(self, plain):
        try:
            body = self._packet(plain)
            if struct.unpack("!I", body[:4])[0] != SSL_REQUEST:
                self._refuse(plain, "connection is insecure (try using `sslmode=require`)")
                return
            plain.sendall(b"S")
            sock = self.context.wrap_socket(plain, server_side=True)
            body = self._packet(sock)
            texts = [text.decode() for text in body[4:].rstrip(b"\0").split(b"\0")]
            params = dict(zip(texts[::2], texts[1::2]))
            words = params.get("options", "").split()
            name = getattr(sock, "asked_for", None)
            self.seen.append((name, params.get("options")))
            if name != HOST and f"endpoint={ENDPOINT}" not in words:
                self._refuse(sock, "Endpoint ID is not specified.")
                return
            params["options"] = " ".join(word for word in words if not word.startswith("endpoint="))
            with socket.create_connection(("127.0.0.1", self.server.port)) as inner:
                inner.sendall(gw.startup(**{key: value for key, value in params.items() if value}))
                self._carry(sock, inner)
        except (OSError, struct.error) as error:
            self.refused.append(str(error))

    @staticmethod
    def _carry(outer, inner):
        while True:
            ready = [outer] if outer.pending() else select.select([outer, inner], [], [])[0]
            for one, other in ((outer, inner), (inner, outer)):
                if one in ready:
                    data = one.recv(65536)
                    if not data:
                        return
                    other.sendall(data)

    def close(self):
        self.listener.close()


@pytest.fixture
def door(servers, tmp_path):
    one = StandIn(servers.get(15, "source"), *gw.make_certificate(tmp_path, HOST))
    one.ca = tmp_path / f"{HOST}.crt"
    yield one
    one.close()


def everything_works(gate):
    assert gate.rows("select current_user, current_setting('work_mem')")[0][0] == "app"
    with contextlib.closing(gw.WebSocket(gate)) as session:
        session.login(gate)
        assert gw.values(session.simple("select 40 + 2")) == ["42"]


def test_an_upstream_that_asks_for_sni_gets_it_and_its_certificate_is_verified(homeport, door):
    url = door.url(HOST, hostaddr="127.0.0.1", sslmode="verify-full", sslrootcert=door.ca)
    gate = gw.Gateway(homeport, door.server, f"--upstream={url}")
    everything_works(gate)
    assert {name for name, _ in door.seen} == {HOST} and door.refused == []


def test_an_upstream_by_its_address_is_told_its_endpoint_by_the_option(homeport, door):
    url = door.url("127.0.0.1", sslmode="verify-ca", sslrootcert=door.ca, options=f"endpoint%3D{ENDPOINT}%20-c%20work_mem%3D5MB")
    gate = gw.Gateway(homeport, door.server, f"--upstream={url}")
    everything_works(gate)
    assert gate.rows("show work_mem") == [["5MB"]]
    with contextlib.closing(gw.WebSocket(gate)) as session:
        session.login(gate, options="endpoint=ep-of-the-client -c work_mem=6MB")
        assert gw.values(session.simple("show work_mem")) == ["6MB"]
    assert {name for name, _ in door.seen} == {None} and door.refused == []


def test_an_upstream_that_knows_no_endpoint_says_so_to_the_client(homeport, door):
    gate = gw.Gateway(homeport, door.server, f"--upstream={door.url('127.0.0.1', sslmode='require')}")
    status, body = gate.query("select 1")
    assert status >= 400 and "Endpoint ID is not specified" in str(body)


def test_an_upstream_that_is_not_who_it_should_be_gets_no_login(homeport, door, tmp_path):
    other, _ = gw.make_certificate(tmp_path, "other.stand-in.test")
    for host, ca in ((HOST, other), ("wrong.stand-in.test", door.ca)):
        url = door.url(host, hostaddr="127.0.0.1", sslmode="verify-full", sslrootcert=ca)
        gate = gw.Gateway(homeport, door.server, f"--upstream={url}", f"--gateway-state={tmp_path}/{host}.json")
        assert gate.query("select 1")[0] == 500
        gate.stop()
    assert door.seen == []


def test_clients_wait_while_a_move_switches_from_neon_to_home(homeport, servers, door):
    source_server, target_server = door.server, servers.get(15, "target")
    url = door.url(HOST, hostaddr="127.0.0.1", sslmode="verify-full", sslrootcert=door.ca)
    gate = gw.Gateway(homeport, source_server, f"--upstream={url}", database=None)
    source = gate.db
    target_server.sql("CREATE ROLE app LOGIN PASSWORD 'pw-of-role'")
    target = target_server.create_db(source.name, "OWNER app")
    source.script("CREATE TABLE note (id int PRIMARY KEY); ALTER TABLE note OWNER TO app")
    live = Live(homeport, source, target, env={"HOMEPORT_GATEWAY_ADMIN": gate.admin})
    live.start()
    live.caught_up()
    assert gate.query("insert into note values (1)")[0] == 200
    before = len(door.seen)
    live.ok("cutover")
    assert gate.query("insert into note values (2)")[0] == 200
    assert target.sql("SELECT id FROM note ORDER BY 1") == [(1,), (2,)]
    assert len(door.seen) == before
    live.ok("finish")
    assert live.mover.wait().rc == 0
