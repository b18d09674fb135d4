"""A TCP relay before a server, for cutting connections as a network would."""

import contextlib
import socket
import struct
import threading

from server import free_port, make_url


class Proxy:
    """Relays 127.0.0.1:port to the server. cut() resets what is open; while closed, new ones are refused."""

    def __init__(self, server):
        self.server = server
        self.port = free_port()
        self.connections = 0
        self._lock = threading.Lock()
        self._open = set()
        self._limit = None
        self._losing = None
        self._silencing = None
        self._refusing_at = None
        self._holding = None
        self._released = threading.Event()
        self._ending = threading.Event()
        self._ending.set()
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self._refusing = False
        self._flowing = threading.Event()
        self._flowing.set()
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def url(self, database, user="postgres", password=None, **params):
        password = password or self.server.password
        return make_url("127.0.0.1", self.port, getattr(database, "name", database), user, password, **params)

    def cut(self):
        """Resets every open connection; the next ones are let through again."""
        with self._lock:
            doomed, self._open = self._open, set()
        for sock in doomed:
            self._reset(sock)

    def cut_after(self, size):
        """Once, as soon as one connection has carried `size` bytes from the server, resets that one."""
        with self._lock:
            self._limit = size

    def lose_answer_to(self, text, skip=0):
        """Once, when a client sends a message with this text for the skip + 1st time: the server gets
        it, its answer is thrown away and that connection reset."""
        with self._lock:
            self._losing = [text.encode(), skip]

    def refuse(self, refusing=True):
        """The server cannot be reached: new connections are reset at once."""
        self._refusing = refusing
        if refusing:
            self.cut()

    def silence(self, silent=True):
        """Nothing is carried either way while connections stay open, as where packets are dropped."""
        (self._flowing.clear if silent else self._flowing.set)()

    @property
    def flowing(self):
        return self._flowing.is_set()

    def silence_at(self, text):
        """Once, when a client sends a message with this text: from then on nothing is carried."""
        self._silencing = text.encode()

    def refuse_at(self, text):
        """Once, when a client sends a message with this text: it is lost, and from then on refuse()."""
        self._refusing_at = text.encode()

    def hold_at(self, text):
        """The next message of a client with this text waits until release(); other connections do not."""
        self._released.clear()
        self._holding = text.encode()

    @property
    def holds(self):
        return self._holding is None and not self._released.is_set()

    def keep(self):
        """No server sees that a client has gone, until release(): as where the network is gone with it."""
        self._ending.clear()

    def release(self):
        self._released.set()
        self._ending.set()

    def close(self):
        self._flowing.set()
        self.release()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(5)
        self.cut()

    @staticmethod
    def _reset(sock):
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        with contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)
        sock.close()

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self._refusing:
                self._reset(client)
                continue
            try:
                server = socket.create_connection(("127.0.0.1", self.server.port))
            except OSError:
                self._reset(client)
                continue
            with self._lock:
                self.connections += 1
                self._open |= {client, server}
            deaf = threading.Event()
            threading.Thread(target=self._pump, args=(client, server, False, deaf), daemon=True).start()
            threading.Thread(target=self._pump, args=(server, client, True, deaf), daemon=True).start()

    def _over_limit(self, carried):
        with self._lock:
            if self._limit is None or carried < self._limit:
                return False
            self._limit = None
            return True

    def _is_to_lose(self, data):
        with self._lock:
            if self._losing is None or self._losing[0] not in data:
                return False
            self._losing[1] -= 1
            if self._losing[1] >= 0:
                return False
            self._losing = None
            return True

    def _pump(self, source, sink, from_server, deaf):
        carried = 0
        try:
            while data := source.recv(65536):
                carried += len(data)
                if not from_server and self._silencing and self._silencing in data:
                    self._silencing = None
                    self.silence()
                self._flowing.wait()
                if not from_server and self._refusing_at and self._refusing_at in data:
                    self._refusing_at = None
                    self.refuse()
                    break
                if not from_server and self._holding and self._holding in data:
                    self._holding = None
                    self._released.wait()
                if from_server and (deaf.is_set() or self._over_limit(carried)):
                    break
                if not from_server and self._is_to_lose(data):
                    deaf.set()
                sink.sendall(data)
            else:
                self._ending.wait()
                with contextlib.suppress(OSError):
                    sink.shutdown(socket.SHUT_WR)
                return
        except OSError:
            self._ending.wait()
        for sock in (source, sink):
            with self._lock:
                self._open.discard(sock)
            self._reset(sock)
