"""Measures the work of single requests over warm connections; hooks and Postgres both count statements."""

from contextlib import closing
from hashlib import sha256

from evaluation.database.counters import Counters
from evaluation.records import WorkSample
from evaluation.serving.connection import AnswerError, Connection
from evaluation.serving.server import Server

SCENARIOS = {
    "first_page_cold": "/products?limit=20",
    "first_page_warm": "/products?limit=20",
    "inactive_page_cold": "/products?limit=20&is_active=false",
    "detail": "/products/2",
    "batch_of_20": "/products/batch?ids=" + ",".join(str(number) for number in range(1, 21)),
    "categories": "/categories",
}


def measure_work(server: Server, counters: Counters) -> tuple[WorkSample, ...]:
    """Send one request of every scenario, in order, and record the work of each."""
    fetch(server, "/products/1")
    return tuple(measure_one(server, counters, name, path) for name, path in SCENARIOS.items())


def measure_one(server: Server, counters: Counters, name: str, path: str) -> WorkSample:
    """Send one request, and record its work."""
    # Hooks first: of a statement that comes in between, for a refresh, Postgres must not see more than they.
    hooked, before = server.ask("count")["count"], counters.snapshot()
    status, wire, body = fetch(server, path)
    spent = counters.since(before)
    return WorkSample(
        scenario=name,
        status=status,
        statements_hook=server.ask("count")["count"] - hooked,
        statements_server=sum(work.calls for work in spent),
        rows=sum(work.rows for work in spent),
        buffers=sum(work.buffers for work in spent),
        body_bytes=len(body),
        wire_bytes=wire,
        body_digest=sha256(body.partition(b'],"total":')[0]).hexdigest(),
        statements_session=counters.session(spent),
    )


def fetch(server: Server, path: str, headers: dict[str, str] | None = None) -> tuple[int, int, bytes]:
    """GET a path; return the status, the size of the body on the wire, and the decompressed body.

    CandidateError with the reason when there is no whole answer.
    """
    with closing(Connection(server.port)) as connection:
        try:
            answer = connection.get(path, headers)
        except AnswerError as error:
            raise server.ended() or error from error
    return answer.status, len(answer.sent), answer.body()
