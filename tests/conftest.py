"""Serves the candidate under test, and provides fixtures to observe it."""

import asyncio
import os
import secrets
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from evaluation.candidates.folder import checked_directory, copied, meant_by
from evaluation.database.dataset import SIZES
from evaluation.errors import EvaluationError
from evaluation.serving.connection import Connection
from evaluation.serving.server import Server
from evaluation.serving.workbench import Stage, Workbench, open_workbench
from tests.audit.auditor import Auditor, ServerAudit
from tests.audit.transport import AuditedTransport, UnderWay
from tests.burst import Burst, send
from tests.observing import Observer, until
from tests.results import ResultFile, criterion_of

ROOT = Path(__file__).parents[1]
AUDITOR = Auditor()
"""Every exchange of this run, whichever test caused it."""
UNDER_WAY: defaultdict[str, UnderWay] = defaultdict(UnderWay)
"""The requests to all processes of a stage, by the name of its database."""
SERVED: "list[Subject]" = []
"""The servers that run, and whose logs the auditor has not read yet."""
LOG_DEADLINE_S = 5.0
EMPTY_CATEGORY = 42
"""No seeded product is in it."""
WITHOUT_PROBE = ("--without-probe",)
"""For a process whose clock stands as it is, and whose own hooks nobody uses: as in production."""
HOST = "catalog.example"
"""For questions to two processes that must get the same bytes: `next` may be a whole URL."""
NO_LONG_WAIT = "-c lock_timeout=5s"
"""For the suite's own connections: a candidate that leaks transactions fails a test and does not block it."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options; `--candidate DIR`, or a variable (see `meant_by`), chooses the catalog to test."""
    default = meant_by(os.environ)
    parser.addoption("--candidate", default=default, help=f"folder of the catalog (default: {default})")
    parser.addoption("--requirement", metavar="Rnn", help="run only the tests of one requirement")
    parser.addoption("--results", help="write the outcome of every test to this file (JSON lines)")


@dataclass(slots=True, eq=False)
class Subject:
    """A served candidate: its HTTP client, its observer, its stage."""

    http: httpx.Client
    server: Server
    stage: Stage
    observer: Observer
    audit: ServerAudit

    def get(self, path: str, **headers: str) -> httpx.Response:
        """GET a path; underscores in header names stand for hyphens."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.http.get(path, headers=named)

    def json(self, path: str) -> Any:
        """The body of a GET that must succeed."""
        answer = self.get(path)
        assert answer.status_code == 200, f"GET {path}: {answer.status_code} {answer.text[:300]}"
        return answer.json()

    def sql(self, query: str, *parameters: object) -> list[tuple[Any, ...]]:
        """Run SQL directly on the database, behind the API."""
        if not query.lstrip().lower().startswith("select"):
            self.audit.tables.note_change()
        with psycopg.connect(self.stage.admin_url, autocommit=True, options=NO_LONG_WAIT) as connection:
            cursor = connection.execute(query.encode(), parameters)
            return cursor.fetchall() if cursor.description else []

    async def send(self, requests: list[str], deadline_s: float) -> Burst:
        """Send all at once (see `tests.burst`); the answers are not judged."""
        with self.audit.unjudged(requests):
            return await send(self.server.port, requests, deadline_s)

    def burst(self, requests: list[str], deadline_s: float) -> Burst:
        """Send all at once, and wait; the answers are not judged."""
        return asyncio.run(self.send(requests, deadline_s))

    def get_all(self, paths: list[str], deadline_s: float) -> Burst:
        """GET all paths at once, while nobody writes; what was answered is audited."""
        sent = self.burst(paths, deadline_s)
        self.audit.report_all(sent.exchanges)
        return sent

    def new_product(self, **fields: object) -> dict[str, Any]:
        """Create a product through the API."""
        fields = {"name": "New", "price": "9.99", "category_id": 1, **fields}
        answer = self.http.post("/products", json=fields)
        assert answer.status_code == 201, answer.text
        product: dict[str, Any] = answer.json()
        return product


@pytest.fixture(scope="session")
def candidate(request: pytest.FixtureRequest) -> Path:
    """The folder under test."""
    return checked_directory(Path(request.config.getoption("--candidate")))


@pytest.fixture(scope="session")
def bench() -> Iterator[Workbench]:
    """Running Postgres and Redis, from which stages are made."""
    with open_workbench(os.environ.get("HOFAZ9_SERVICES", "embedded")) as bench:
        yield bench


@contextmanager
def subject_on(
    stage: Stage, candidate: Path, redis_url: str | None = None, options: tuple[str, ...] = ()
) -> Iterator[Subject]:
    """Serve the candidate on a stage with a relay before Postgres, with warm connections."""
    assert stage.relay is not None
    with ExitStack() as stack:
        server = stack.enter_context(stage.serving(candidate, redis_url, options=options))
        # No test depends on a graceful shutdown, so the server is killed, which is faster.
        stack.callback(server.process.kill)
        counters = stage.counters()
        stack.callback(counters.close)
        with closing(Connection(server.port)) as warming:
            warming.get("/products/1")
        audit = ServerAudit(
            AUDITOR, AUDITOR.of_stage(stage.database, stage.admin_url), stage.database, server.url
        )
        observer = Observer(server, stage, counters, stage.relay)
        under_way = UNDER_WAY[stage.database]
        transport = AuditedTransport(observer, under_way, audit.report, audit.tables.writing)
        http = stack.enter_context(httpx.Client(base_url=server.url, timeout=30, transport=transport))
        subject = Subject(http, server, stage, observer, audit)
        SERVED.append(subject)
        yield subject
        if subject in SERVED:
            check_log(subject)


def check_log(subject: Subject) -> None:
    """Every request to a server has its line: asked at the server's end, or before the auditor is."""
    SERVED.remove(subject)
    # Where lines are missing anyway, there is no use in waiting for them again.
    if not AUDITOR.wrong["R16.1"]:
        until(lambda: not subject.audit.unlogged(subject.server.log_text()), LOG_DEADLINE_S)
    subject.audit.check_log(subject.server.log_text())


@pytest.fixture(scope="session")
def api(bench: Workbench, candidate: Path) -> Iterator[Subject]:
    """The candidate with 2 000 products, shared by all tests that do not change the seeded rows."""
    with bench.stage(SIZES["small"], with_plans=True) as stage, subject_on(stage, candidate) as subject:
        yield subject


@pytest.fixture(scope="session")
def grown(bench: Workbench, candidate: Path) -> Iterator[Subject]:
    """The candidate with 4 000 products, shared in the same way."""
    with bench.stage(SIZES["double"], with_plans=True) as stage, subject_on(stage, candidate) as subject:
        yield subject


@pytest.fixture(scope="session")
def large(bench: Workbench, candidate: Path) -> Iterator[Subject]:
    """The candidate with 100 000 products, shared in the same way."""
    with bench.stage(SIZES["standard"], with_plans=True) as stage, subject_on(stage, candidate) as subject:
        yield subject


@pytest.fixture
def own(bench: Workbench, candidate: Path) -> Iterator[Subject]:
    """The candidate with a private server and database, which the test may change or break."""
    with bench.stage(SIZES["small"], with_plans=True) as stage, subject_on(stage, candidate) as subject:
        yield subject


@pytest.fixture(scope="session")
def twins(bench: Workbench, candidate: Path) -> Iterator[tuple[Subject, Subject]]:
    """Two server processes of the candidate on one database and Redis.

    They are no forks of one process: what Python draws at its start (hashes of texts) is not the same.
    """
    twin = copied(candidate, bench.folder / "twin" / candidate.name)
    with (
        bench.stage(SIZES["small"], with_plans=True) as stage,
        subject_on(stage, candidate) as first,
        subject_on(stage, twin) as second,
    ):
        yield first, second


@pytest.fixture
def shared(twins: tuple[Subject, Subject]) -> Iterator[Subject]:
    """The candidate on rows that tests write through the API; EMPTY_CATEGORY is empty again afterwards."""
    subject = twins[0]
    yield subject
    for (product,) in subject.sql("select id from products where category_id = %s", EMPTY_CATEGORY):
        subject.http.delete(f"/products/{product}")


@pytest.fixture
def second_server(shared: Subject, twins: tuple[Subject, Subject]) -> Subject:
    """A second server process of the candidate that shares the database and the Redis of `shared`."""
    return twins[1]


@pytest.fixture(scope="session")
def blocked_stage(bench: Workbench) -> Iterator[Stage]:
    """Rows that are changed, and locked again and again."""
    with bench.stage(SIZES["small"], with_plans=True) as stage:
        yield stage


@pytest.fixture(scope="session")
def servers(blocked_stage: Stage, candidate: Path) -> Iterator[Callable[[], Subject]]:
    """A function that returns a server on these rows: always the same, as long as it is as good as new."""
    with ExitStack() as stack:
        running: list[Subject] = []

        def answering() -> Subject:
            if running and not is_as_new(running[-1]):
                end_with_its_transactions(running.pop())
            if not running:
                running.append(stack.enter_context(subject_on(blocked_stage, candidate)))
            return running[-1]

        yield answering


def end_with_its_transactions(subject: Subject) -> None:
    """Kill a server, and wait until Postgres has taken back what its transactions had locked."""
    # Lines that it had still to write are lost.
    SERVED.remove(subject)
    subject.server.process.kill()
    until(lambda: subject.observer.counters.busy() == 0)


def is_as_new(subject: Subject) -> bool:
    """Whether no connection is in use any more, and a product and a listing are answered soon.

    What a test left behind would fail the next one, and which one that is depends on their order.
    """
    is_idle = until(lambda: subject.observer.counters.busy() == 0)
    paths = ["/products/1999", f"/products?limit=1&category_id={secrets.randbelow(2**31)}"]
    if not is_idle or subject.burst(paths, LOG_DEADLINE_S).answered < len(paths):
        return False
    # Asked last: the probe of a server that has died does not answer.
    return until(lambda: not subject.server.ask("pool")["checked_out"])


@pytest.fixture
def blocked(servers: Callable[[], Subject]) -> Subject:
    """The candidate on rows that are changed, and locked again and again."""
    return servers()


@pytest.fixture(scope="session")
def cold_page() -> Callable[[int], str]:
    """A function that returns the path of a listing with this limit that was not requested before."""
    categories = count(1)
    return lambda limit: f"/products?limit={limit}&category_id={next(categories) % 41 + 1}"


@contextmanager
def holding(subject: Subject, *locks: str) -> Iterator[Callable[[], int]]:
    """Take locks with these statements and keep them until the block ends.

    Yields a function that counts the backends that wait for a lock.
    """
    with (
        psycopg.connect(subject.stage.admin_url, options=NO_LONG_WAIT) as holder,
        psycopg.connect(subject.stage.admin_url, autocommit=True) as watcher,
    ):
        for statement in locks:
            holder.execute(statement.encode())

        def waiting() -> int:
            query = "select count(*) from pg_stat_activity where datname = %s and wait_event_type = 'Lock'"
            row = watcher.execute(query, (subject.stage.database,)).fetchone()
            return row[0] if row else 0

        yield waiting
        holder.rollback()


def holding_table(subject: Subject, table: str = "products") -> AbstractContextManager[Callable[[], int]]:
    """Lock a whole table, for reads too; see `holding`."""
    return holding(subject, f"lock table {table} in access exclusive mode")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """`--requirement Rnn` leaves out the tests of all others; the auditor is asked last."""
    wanted = config.getoption("--requirement")
    if wanted:
        kept = [i for i in items if (one := criterion_of(i)) and one.partition(".")[0] == wanted]
        config.hook.pytest_deselected(items=[item for item in items if item not in kept])
        items[:] = kept
    items.sort(key=lambda item: item.path.name == "test_audit.py")


def pytest_configure(config: pytest.Config) -> None:
    """Refuse a folder that does not exist; `--results FILE` asks for the outcomes as JSON lines."""
    try:
        checked_directory(Path(config.getoption("--candidate")))
    except EvaluationError as error:
        pytest.exit(str(error), returncode=error.status)
    if path := config.getoption("--results"):
        config.pluginmanager.register(ResultFile(Path(path)))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Tell which catalog was tested, in quiet runs too."""
    terminalreporter.write_line(f"candidate: {Path(config.getoption('--candidate')).resolve()}")


def pytest_sessionfinish() -> None:
    """Hang up wherever the auditor looked."""
    AUDITOR.close()
