"""The input and output of the load client: requests, a plan, a result."""

import resource
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request; `write` is the version that a write gives to its product, None for a read."""

    path: str
    method: str = "GET"
    body: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    write: int | None = None

    def encoded(self) -> tuple[bytes, bytes]:
        """The request as bytes on the wire: what comes before and what follows the headers of a client."""
        lines = [f"{name}: {value}" for name, value in self.headers.items()]
        if self.body:
            lines += ["Content-Type: application/json", f"Content-Length: {len(self.body.encode())}"]
        rest = "\r\n".join([*lines, "", self.body])
        return f"{self.method} {self.path} HTTP/1.1\r\n".encode(), rest.encode()


@dataclass(frozen=True, slots=True)
class LoadPlan:
    """A load: `clients` connections send `requests` in order, starting at `first`, in an endless cycle.

    The connections are divided among `ports` of 127.0.0.1, which belong to processes of one catalog.

    When `rate` is None, the loop is closed: every client has one request in flight. Otherwise the loop is
    open: requests are due at `rate` a second, and latency is measured from the time a request is due. The
    load ends after `seconds`, or once `stop_after` requests were sent; requests in flight then have
    `patience_s` to be answered.
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


@dataclass(frozen=True, slots=True)
class StatementLoad:
    """A load on Postgres alone: `clients` connections run one statement, with one set of arguments each time.

    The sets come in order, starting at `first`, in an endless cycle. The loop is closed.
    """

    url: str
    statement: str
    arguments: list[list[Any]]
    clients: int
    seconds: float
    first: int = 0
    warm_up_s: float = 0.0


@dataclass(slots=True)
class Result:
    """The result without the warm-up: latencies in ms of the 200s and 304s, and the count of each outcome."""

    latencies_ms: list[float] = field(default_factory=list)
    outcomes: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    warm_up_requests: int = 0
    sent: int = 0
    kept: list[dict[str, Any]] = field(default_factory=list)

    def count(self, outcome: str, times: int = 1) -> None:
        """Count an outcome: a status, or the kind of failure."""
        if times:
            self.outcomes[outcome] = self.outcomes.get(outcome, 0) + times


def cpu_seconds() -> float:
    """CPU time that this process has used so far."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
