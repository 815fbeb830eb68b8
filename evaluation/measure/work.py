"""Measures the work of single requests over warm connections.

Statements are counted by hooks, on the wire and by Postgres.
"""

from contextlib import closing
from hashlib import sha256

from evaluation.measure.meter import Meter
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


def measure_work(server: Server, meter: Meter) -> tuple[WorkSample, ...]:
    """Send one request of every scenario, in order, and record the work of each."""
    fetch(server, "/products/1")
    return tuple(measure_one(server, meter, name, path) for name, path in SCENARIOS.items())


def measure_one(server: Server, meter: Meter, name: str, path: str) -> WorkSample:
    """Send one request, and record its work."""
    # Hooks first: of a statement that comes in between, for a refresh, others must not see more than they.
    hooked, before = server.ask("count")["count"], meter.mark()
    status, wire, body = fetch(server, path)
    spent = meter.since(before)
    return WorkSample(
        scenario=name,
        status=status,
        statements_hook=server.ask("count")["count"] - hooked,
        statements_server=spent.server + spent.session,
        rows=sum(work.rows for work in spent.work),
        buffers=sum(work.buffers for work in spent.work),
        body_bytes=len(body),
        wire_bytes=wire,
        body_digest=sha256(body.partition(b'],"total":')[0]).hexdigest(),
        statements_session=spent.session,
        statements_wire=spent.wire,
        commands_redis=spent.commands,
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
