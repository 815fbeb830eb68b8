"""What the load client is told and what it answers: requests, a plan, a result."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Request:
    """What is sent; `write` is the version that a write brings to its path, None for a read."""

    path: str
    method: str = "GET"
    body: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    write: int | None = None

    def encoded(self) -> bytes:
        """The bytes on the wire."""
        lines = [f"{self.method} {self.path} HTTP/1.1", "Host: catalog", "Accept-Encoding: gzip"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        if self.body:
            lines += ["Content-Type: application/json", f"Content-Length: {len(self.body.encode())}"]
        return "\r\n".join([*lines, "", self.body]).encode()


@dataclass(frozen=True, slots=True)
class LoadPlan:
    """A load: `requests` are sent in order from `first` on, by `clients` connections, over and over.

    The connections are shared out among `ports` of 127.0.0.1, which are processes of one catalog.

    Closed loop when `rate` is None: every client has one request under way. Open loop otherwise: requests
    are due at `rate` a second, and their latency counts from when they were due. Ends after `seconds`, or
    once `stop_after` requests were sent; what is under way then has `patience_s` to come back.
    """

    ports: list[int]
    clients: int
    requests: list[dict[str, Any]]
    seconds: float
    first: int = 0
    rate: float | None = None
    stop_after: int | None = None
    warm_up_s: float = 0.0
    patience_s: float = 10.0
    keep_every: int = 500


@dataclass(slots=True)
class Result:
    """What came back, warm-up left out: latencies in ms of the 200s and 304s, and how everything ended."""

    latencies_ms: list[float] = field(default_factory=list)
    outcomes: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    warm_up_requests: int = 0
    sent: int = 0
    kept: list[dict[str, Any]] = field(default_factory=list)

    def count(self, outcome: str, times: int = 1) -> None:
        """Note how a request ended: its status, or what went wrong."""
        if times:
            self.outcomes[outcome] = self.outcomes.get(outcome, 0) + times
