"""A connection to a server under test: whatever that sends, an answer ends within its bytes and its time.

The limits hold for every byte that is read, of headers as of bodies, and for what a body unpacks to.
"""

import http.client
import socket
import time
import zlib
from dataclasses import dataclass
from random import Random
from typing import Any

from evaluation.errors import CandidateError
from evaluation.serving.clients import address

DEADLINE_S = 60.0
LARGEST_BYTES = 64 << 20
"""More than a hundred times the largest right answer, both as sent and unpacked."""
GZIP = 16 + zlib.MAX_WBITS


class AnswerError(CandidateError):
    """A request without a whole answer."""


class TooLargeError(AnswerError):
    """An answer that is larger than any right one, as sent or unpacked."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer, with its body as it was sent, and when its last byte came."""

    status: int
    headers: http.client.HTTPMessage
    sent: bytes
    ms: float

    def body(self) -> bytes:
        """The body, unpacked if it says that it is packed; AnswerError when it is not, or is too large."""
        return unpacked(self.sent) if self.headers.get("content-encoding") == "gzip" else self.sent


def unpacked(sent: bytes) -> bytes:
    """A gzip body unpacked; AnswerError when it is none, is cut, or unpacks to too much."""
    found = b""
    while sent:
        unpacker = zlib.decompressobj(GZIP)
        try:
            found += unpacker.decompress(sent, LARGEST_BYTES + 1 - len(found))
        except zlib.error as error:
            raise AnswerError(f"a body that says gzip and is not: {error}") from error
        if len(found) > LARGEST_BYTES:
            raise TooLargeError(f"a body of {len(sent):,} bytes unpacks to more than {LARGEST_BYTES:,}")
        if not unpacker.eof:
            raise AnswerError("a gzip body without its end")
        sent = unpacker.unused_data
    return found


class LimitedSocket(socket.socket):
    """A socket that stops receiving at a deadline and after LARGEST_BYTES."""

    deadline = 0.0
    left_bytes = 0

    def allow(self, seconds: float) -> None:
        """Begin anew to count."""
        self.deadline = time.monotonic() + seconds
        self.left_bytes = LARGEST_BYTES
        self.settimeout(seconds)

    def recv_into(self, *arguments: Any, **options: Any) -> int:
        """Receive, as http.client does; TimeoutError after the deadline, OSError after too many bytes."""
        if (left_s := self.deadline - time.monotonic()) <= 0:
            raise TimeoutError("the answer did not end in time")
        self.settimeout(left_s)
        received = super().recv_into(*arguments, **options)
        self.left_bytes -= received
        if self.left_bytes < 0:
            raise OSError(f"an answer of more than {LARGEST_BYTES:,} bytes")
        return received


class Connection(http.client.HTTPConnection):
    """A keep-alive connection to a port of 127.0.0.1, from an address of its own; see `closing`."""

    def __init__(self, port: int, deadline_s: float = DEADLINE_S) -> None:
        super().__init__("127.0.0.1", port, timeout=deadline_s)
        self.deadline_s = deadline_s

    def connect(self) -> None:
        """Open a limited socket; called by http.client."""
        self.sock: LimitedSocket = LimitedSocket()
        self.sock.allow(self.deadline_s)
        self.sock.bind((address(Random()), 0))
        self.sock.connect((self.host, self.port))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def get(self, path: str, headers: dict[str, str] | None = None) -> Answer:
        """GET a path; AnswerError when no whole answer comes in time."""
        named = dict(headers or {})
        named.setdefault("Accept-Encoding", "gzip")
        return self.ask("GET", path, named)

    def ask(self, method: str, path: str, headers: dict[str, str], content: bytes | None = None) -> Answer:
        """Send a request with these headers, and Host; AnswerError when no whole answer comes in time."""
        started = time.perf_counter()
        try:
            if self.sock:
                self.sock.allow(self.deadline_s)
            self.putrequest(method, path, skip_host="Host" in headers, skip_accept_encoding=True)
            for name, value in headers.items():
                self.putheader(name, value)
            if content is not None:
                self.putheader("Content-Length", str(len(content)))
            self.endheaders(content)
            with self.getresponse() as answer:
                sent = answer.read()
        except (OSError, http.client.HTTPException, ValueError) as error:
            self.close()
            raise AnswerError(f"{method} {path[:200]}: no whole answer: {error!r}") from error
        return Answer(answer.status, answer.headers, sent, 1000 * (time.perf_counter() - started))
