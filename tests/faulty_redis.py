"""A relay before Redis that can be cut, refuse or fall silent."""

import contextlib
import socket
import threading
from types import TracebackType
from urllib.parse import urlsplit

BUFFER_BYTES = 1 << 16


def refusing_url() -> str:
    """The URL of a Redis that is not there."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    return f"redis://127.0.0.1:{port}/0"


class FaultyRedis:
    """Listens on a port of 127.0.0.1 and passes everything on, as long as it is there."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.target = (parts.hostname or "127.0.0.1", parts.port or 6379)
        self.open: set[socket.socket] = set()
        self.is_silent = False
        self.listen(0)
        credentials = f"{parts.netloc.rpartition('@')[0]}@" if "@" in parts.netloc else ""
        port = self.listener.getsockname()[1]
        self.url = parts._replace(netloc=f"{credentials}127.0.0.1:{port}").geturl()

    def listen(self, port: int) -> None:
        """Take connections on a port, 0 for any."""
        self.listener = socket.create_server(("127.0.0.1", port))
        threading.Thread(target=self.accept, args=(self.listener,), name="relay", daemon=True).start()

    def accept(self, listener: socket.socket) -> None:
        """Connect every client to Redis until the listener is closed."""
        while True:
            try:
                client, _ = listener.accept()
                server = socket.create_connection(self.target)
            except OSError:
                return
            self.open |= {client, server}
            for pair in ((client, server), (server, client)):
                threading.Thread(target=self.pass_on, args=pair, daemon=True).start()

    def pass_on(self, source: socket.socket, target: socket.socket) -> None:
        """Everything from one side to the other."""
        with contextlib.suppress(OSError):
            while chunk := source.recv(BUFFER_BYTES):
                if not self.is_silent:
                    target.sendall(chunk)
        for one in (source, target):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
            self.open.discard(one)

    def cut(self) -> None:
        """Close every connection, as a restart of Redis does."""
        for one in list(self.open):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def go_away(self) -> None:
        """Close every connection and refuse new ones."""
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.cut()

    def fall_silent(self) -> None:
        """Take connections and requests, and answer none."""
        self.is_silent = True

    def come_back(self) -> None:
        """Be there again, on the same port, on new connections."""
        if self.is_silent:
            self.is_silent = False
            self.cut()
        else:
            self.listen(urlsplit(self.url).port or 0)

    def __enter__(self) -> "FaultyRedis":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.go_away()
