"""A relay before Redis, whose connections can be cut."""

import contextlib
import socket
import threading
from types import TracebackType
from urllib.parse import urlsplit

BUFFER_BYTES = 1 << 16


class Relay:
    """Listens on a port of 127.0.0.1 and passes everything on; `cut` closes all connections."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.target = (parts.hostname or "127.0.0.1", parts.port or 6379)
        self.listener = socket.create_server(("127.0.0.1", 0))
        credentials = f"{parts.netloc.rpartition('@')[0]}@" if "@" in parts.netloc else ""
        port = self.listener.getsockname()[1]
        self.url = parts._replace(netloc=f"{credentials}127.0.0.1:{port}").geturl()
        self.open: set[socket.socket] = set()
        threading.Thread(target=self.accept, name="relay", daemon=True).start()

    def accept(self) -> None:
        """Connect every client to Redis until the listener is closed."""
        while True:
            try:
                client, _ = self.listener.accept()
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

    def __enter__(self) -> "Relay":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.cut()
