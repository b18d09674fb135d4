"""A relay before a server that knows a login from a cancel, and can be silent, slow, or lie."""

import contextlib
import socket
import struct
import threading

SSL_REQUEST, CANCEL_REQUEST = 80877103, 80877102


class Relay:
    def __init__(self, server):
        self.server = server
        self.logins = self.cancels = 0
        self.is_silent_to = lambda startup: False  # logins that nobody answers
        self.silent_to_cancels = False
        self.cancels_pass = threading.Event()
        self.cancels_pass.set()
        self.from_server = lambda data: data
        self._open = set()
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=500)
        self.port = self._listener.getsockname()[1]
        self.url = f"postgresql://127.0.0.1:{self.port}/"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self.cancels_pass.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            for sock in self._open:
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)

    def _keep(self, sock):
        with self._lock:
            self._open.add(sock)
        return sock

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                sock = self._keep(self._listener.accept()[0])
                threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    @staticmethod
    def _hang(sock):
        while sock.recv(65536):
            pass

    def _serve(self, client):
        with contextlib.suppress(OSError), client:
            packet = client.recv(65536)
            if packet[4:8] == struct.pack("!I", SSL_REQUEST):
                client.sendall(b"N")
                packet = client.recv(65536)
            if packet[4:8] == struct.pack("!I", CANCEL_REQUEST):
                self._cancel(client, packet)
            elif packet:
                self._login(client, packet)

    def _cancel(self, client, packet):
        self.cancels += 1
        if self.silent_to_cancels:
            self._hang(client)
            return
        self.cancels_pass.wait(60)
        with socket.create_connection(("127.0.0.1", self.server.port)) as server:
            server.sendall(packet)
            self._hang(server)

    def _login(self, client, packet):
        self.logins += 1
        if self.is_silent_to(packet):
            self._hang(client)
            return
        with self._keep(socket.create_connection(("127.0.0.1", self.server.port))) as server:
            server.sendall(packet)
            back = threading.Thread(target=self._carry, args=(server, client, True), daemon=True)
            back.start()
            self._carry(client, server, False)
            back.join()

    def _carry(self, source, sink, from_server):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(self.from_server(data) if from_server else data)
        for sock in (source, sink):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
