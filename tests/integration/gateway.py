"""A running gateway, and clients that speak to it byte by byte."""

import base64
import contextlib
import http.client
import json
import os
import socket
import ssl
import struct
import subprocess
from urllib.parse import quote

import server as postgres
import wait

ARRAY = {"neon-raw-text-output": "true", "neon-array-mode": "true"}


def get(port, path, timeout=10):
    """By plain HTTP: status, text."""
    conn = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        conn.request("GET", path)
        reply = conn.getresponse()
        return reply.status, reply.read().decode()
    finally:
        conn.close()


def make_certificate(folder, name):
    key, cert = folder / f"{name}.key", folder / f"{name}.crt"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                    "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}", "-keyout", key, "-out", cert],
                   check=True, capture_output=True)
    return cert, key


class Gateway:
    """In front of one server, with a database and a role of its own."""

    def __init__(self, homeport, server, *options, roles_file=None, database=None, role="app", password="pw-of-role"):
        self.homeport = homeport
        self.server = server
        self.role, self.password = role, password
        if not server.sql("SELECT 1 FROM pg_roles WHERE rolname = %s", (role,)):
            server.sql(f'CREATE ROLE "{role}" LOGIN PASSWORD %s', (password,))
        self.db = database or server.create_db(options=f'OWNER "{role}"')
        self.http_port, self.pg_port, self.metrics_port, self.tls_port = (postgres.free_port() for _ in range(4))
        self.dir = homeport.cwd / "gw"
        self.admin = str(homeport.cwd / "a.sock")
        self.options = [
            f"--upstream=postgresql://127.0.0.1:{server.port}/", f"--listen-http=127.0.0.1:{self.http_port}",
            f"--listen-pg=127.0.0.1:{self.pg_port}", f"--metrics=127.0.0.1:{self.metrics_port}",
            f"--listen=127.0.0.1:{self.tls_port}", "--names=localhost,db.neon.test", f"--admin={self.admin}",
            f"--dir={self.dir}", *options]
        if roles_file:
            self.options.append(f"--roles-file={roles_file}")
        self.run = None
        self.start()

    @property
    def ca(self):
        return self.dir / "gateway-tls" / "ca.crt"

    def start(self):
        self.run = self.homeport.start("gateway", *self.options)
        self.run.wait_for(lambda: self.health() == "serving" or self.health() == "paused", 20, "the gateway listens")
        return self

    def stop(self, seconds=40):
        self.run.signal(15)
        return self.run.wait(seconds)

    def ask(self, *args, **kwargs):
        return self.homeport("gateway", *args, f"--admin={self.admin}", "--json", **kwargs)

    def url(self, password=None, database=None, role=None):
        login = quote(role or self.role, safe="") + ":" + quote(password or self.password, safe="")
        return f"postgresql://{login}@localhost/{quote(database or self.db.name, safe='')}"

    def health(self):
        try:
            return json.loads(get(self.metrics_port, "/health")[1])["status"]
        except OSError:
            return None

    def metric(self, name):
        """Of a name with its labels, if it has any."""
        for line in get(self.metrics_port, "/metrics")[1].splitlines():
            if line.startswith(f"homeport_gateway_{name} "):
                return float(line.split()[-1])
        return 0.0

    def memory(self):
        """Bytes that are resident."""
        for line in open(f"/proc/{self.run.pid}/status", encoding="ascii"):
            if line.startswith("VmRSS"):
                return int(line.split()[1]) * 1024
        return 0

    def client(self, source=None):
        return Client(self, source)

    def query(self, text, params=(), source=None, **kwargs):
        with contextlib.closing(self.client(source)) as client:
            return client.query(text, params, **kwargs)

    def rows(self, text, params=()):
        status, body = self.query(text, params)
        assert status == 200, body
        return body["rows"]

    def backends(self):
        return self.server.value(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND application_name = 'homeport-gateway'",
            (self.db.name,))


class Client:
    """One keep-alive connection to POST /sql."""

    def __init__(self, gateway, source=None):
        """`source`: the address it comes from."""
        self.gateway = gateway
        self.conn = http.client.HTTPConnection("127.0.0.1", gateway.http_port, timeout=60, source_address=source and (source, 0))
        self.headers = {}

    def send(self, body, headers=None, url=None):
        all_headers = {**ARRAY, "neon-connection-string": url or self.gateway.url(), **(headers or {})}
        self.conn.request("POST", "/sql", body, {k: v for k, v in all_headers.items() if v is not None})

    def receive(self):
        reply = self.conn.getresponse()
        text = reply.read().decode()
        self.headers = {k.lower(): v for k, v in reply.getheaders()}
        return reply.status, json.loads(text)

    def post(self, body, headers=None, url=None):
        self.send(body if isinstance(body, (str, bytes)) else json.dumps(body), headers, url)
        return self.receive()

    def query(self, text, params=(), headers=None, url=None):
        return self.post({"query": text, "params": list(params)}, headers, url)

    def batch(self, *queries, headers=None):
        return self.post({"queries": [q if isinstance(q, dict) else {"query": q} for q in queries]}, headers)

    def close(self):
        self.conn.close()


def message(kind, payload=b""):
    return kind + struct.pack("!I", len(payload) + 4) + payload


def startup(**params):
    body = b"".join(k.encode() + b"\0" + v.encode() + b"\0" for k, v in params.items()) + b"\0"
    return struct.pack("!II", len(body) + 8, 0x30000) + body


class Wire:
    """PostgreSQL's protocol over something that sends and receives bytes."""

    def __init__(self):
        self.buffer = b""

    def read(self):
        """The next message as (type, payload); None at the end."""
        while len(self.buffer) < 5 or len(self.buffer) < 1 + struct.unpack("!I", self.buffer[1:5])[0]:
            data = self.receive()
            if not data:
                return None
            self.buffer += data
        size = 1 + struct.unpack("!I", self.buffer[1:5])[0]
        one, self.buffer = self.buffer[:size], self.buffer[size:]
        return one[:1], one[5:]

    def until(self, kind):
        """Messages up to and with one of this type; an end before is in the list as None."""
        found = []
        while True:
            found.append(self.read())
            if found[-1] is None or found[-1][0] == kind:
                return found

    def simple(self, text):
        self.send(message(b"Q", text.encode() + b"\0"))
        return self.until(b"Z")

    def login(self, gateway, pipelined=b"", password=None, **params):
        params = {"user": gateway.role, "database": gateway.db.name, **params}
        self.send(startup(**params) + message(b"p", (password or gateway.password).encode() + b"\0") + pipelined)
        return self.until(b"Z")


def fields(payload):
    return {part[:1].decode(): part[1:].decode() for part in payload.split(b"\0") if part}


def values(messages):
    """First columns of the rows."""
    found = []
    for one in messages:
        if one and one[0] == b"D":
            size = struct.unpack("!i", one[1][2:6])[0]
            found.append(None if size < 0 else one[1][6:6 + size].decode())
    return found


class WebSocket(Wire):
    def __init__(self, gateway, path="/v2", offer=True):
        super().__init__()
        self.sock = socket.create_connection(("127.0.0.1", gateway.http_port), 30)
        key = base64.b64encode(os.urandom(16)).decode()
        extra = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n" if offer else ""
        self.sock.sendall((f"GET {path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                           f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n{extra}\r\n").encode())
        head = b""
        while b"\r\n\r\n" not in head:
            head += self.sock.recv(1)
        self.head = head.decode()
        self.frames = []

    def frame(self, payload, opcode=2, fin=True, masked=True, length=None, rsv=0):
        head = bytes([(0x80 if fin else 0) | rsv << 4 | opcode])
        size = len(payload) if length is None else length
        bit = 0x80 if masked else 0
        if size < 126:
            head += bytes([bit | size])
        elif size < 65536:
            head += bytes([bit | 126]) + struct.pack("!H", size)
        else:
            head += bytes([bit | 127]) + struct.pack("!Q", size)
        mask = os.urandom(4) if masked else b""
        data = bytes(b ^ mask[i % 4] for i, b in enumerate(payload)) if masked else payload
        self.sock.sendall(head + mask + data)

    def send(self, data):
        self.frame(data)

    def exactly(self, count):
        data = b""
        while len(data) < count:
            more = self.sock.recv(count - len(data))
            if not more:
                return None
            data += more
        return data

    def read_frame(self):
        """(opcode, payload), None at the end."""
        try:
            head = self.exactly(2)
            if head is None:
                return None
            size = head[1] & 0x7f
            assert not head[1] & 0x80, "a server does not mask"
            if size == 126:
                size = struct.unpack("!H", self.exactly(2))[0]
            elif size == 127:
                size = struct.unpack("!Q", self.exactly(8))[0]
            payload = self.exactly(size) if size else b""
        except (ConnectionResetError, BrokenPipeError):
            return None
        self.frames.append((head[0] & 15, payload))
        return self.frames[-1]

    def receive(self):
        while True:
            one = self.read_frame()
            if one is None or one[0] == 8:
                return b""
            if one[0] == 2:
                return one[1]

    def close(self):
        self.sock.close()


class Tcp(Wire):
    """Plain 5432, where no password is asked for."""

    def __init__(self, port):
        super().__init__()
        self.sock = socket.create_connection(("127.0.0.1", port), 30)

    def send(self, data):
        self.sock.sendall(data)

    def receive(self):
        try:
            return self.sock.recv(65536)
        except ConnectionResetError:
            return b""

    def close(self):
        self.sock.close()


class Tls(Tcp):
    """5432 under TLS, where a password is asked for."""

    def __init__(self, gateway):
        super().__init__(gateway.pg_port)
        self.send(struct.pack("!II", 8, 80877103))
        assert self.sock.recv(1) == b"S"
        self.sock = ssl.create_default_context(cafile=gateway.ca).wrap_socket(self.sock, server_hostname="localhost")


def two_sides(servers):
    """A database "shop" on an old and on a new server; its table `side` says which one it is."""
    sides = servers.get(15, "source"), servers.get(15, "target")
    for server, name in zip(sides, ("old", "new")):
        server.sql("CREATE ROLE app LOGIN PASSWORD 'pw-of-role'")
        server.create_db("shop", "OWNER app")
        server.sql("CREATE TABLE side AS SELECT %s::text AS name", (name,), "shop")
        server.sql("GRANT SELECT ON side TO app", dbname="shop")
    return sides


def eventually(gateway, condition, what, seconds=20):
    """Until it is so, as long as the gateway runs."""
    gateway.run.wait_for(condition, seconds, what)


__all__ = ["Gateway", "Client", "WebSocket", "Tcp", "Tls", "message", "startup", "fields", "values", "eventually", "wait"]
