"""One request with its answer, as they went over the wire."""

import gzip
import json
import shlex
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

import httpx

from evaluation.serving import connection


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request and its answer; `sent` is the body as sent, `statements` those that it cost, if known.

    `alone` says that no other request of the suite was under way in the same server meanwhile;
    `started_s` is when it was sent, by `time.perf_counter`.
    """

    method: str
    target: str
    request_headers: httpx.Headers
    request_body: bytes
    status: int
    headers: httpx.Headers
    sent: bytes
    started_s: float
    elapsed_s: float
    statements: tuple[str, ...] | None = None
    alone: bool = True

    @property
    def path(self) -> str:
        """The path without the query."""
        return urlsplit(self.target).path

    @property
    def encoding(self) -> str | None:
        """The Content-Encoding of the answer."""
        value: str | None = self.headers.get("content-encoding")
        return value

    def body(self) -> bytes:
        """The body, unpacked; ValueError when it is not what its encoding says."""
        return unpacked(self.sent) if self.encoding == "gzip" else self.sent

    def json(self) -> Any:
        """The body as JSON; ValueError when it is none."""
        return parsed(self.body())

    def curl(self) -> str:
        """The request as a command that a person can repeat."""
        words = ["curl", "-i", "-X", self.method, f"http://HOST{self.target}"]
        for name in ("accept-encoding", "if-none-match", "content-type"):
            for value in self.request_headers.get_list(name):
                words += ["-H", f"{name}: {value}"]
        if self.request_body:
            body = self.request_body.decode(errors="replace")
            words += ["-d", body if len(body) <= SHOWN_BODY else f"{body[:SHOWN_BODY]}..."]
        return shlex.join(words)

    def described(self) -> str:
        """The request and what came, for a message."""
        shown = {name: self.headers[name] for name in SHOWN if name in self.headers}
        return f"{self.curl()}\n  answered {self.status} after {1000 * self.elapsed_s:.0f} ms, {shown}"


# The same few bodies come again and again.
@lru_cache(maxsize=64)
def unpacked(sent: bytes) -> bytes:
    """Gzip unpacked; ValueError when it is none."""
    try:
        return gzip.decompress(sent)
    except (OSError, EOFError) as error:
        raise ValueError(f"a body that says gzip and is not: {error}") from error


@lru_cache(maxsize=64)
def parsed(body: bytes) -> Any:
    """JSON parsed; not to be changed."""
    return json.loads(body)


def refuse_huge(sent: bytes, encoding: str | None) -> None:
    """ValueError when a body unpacks to more than any right one; what else is wrong, the auditor says."""
    try:
        connection.unpacked(sent if encoding == "gzip" else b"")
    except connection.TooLargeError as error:
        raise ValueError(str(error)) from error
    except connection.AnswerError:
        pass


SHOWN_BODY = 1_000
SHOWN = ("content-type", "content-length", "content-encoding", "etag", "cache-control", "vary")
