"""One candidate, served for real, and the means to look at it."""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from evaluation.candidates.folder import checked_directory
from evaluation.database.dataset import SIZES
from evaluation.serving.server import Server
from evaluation.serving.workbench import Stage, Workbench, open_workbench
from tests.observing import Observer

ROOT = Path(__file__).parents[1]
NO_LONG_WAIT = "-c lock_timeout=5s"
"""For our own connections: a candidate that leaks transactions fails its test and does not hang it."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--candidate DIR` (or REPO_PATH=DIR) says which catalog is tested."""
    default = os.environ.get("REPO_PATH", "repository_after")
    parser.addoption("--candidate", default=default, help=f"folder of the catalog ({default})")
    parser.addoption("--requirement", metavar="Rnn", help="run only the tests of one requirement")
    parser.addoption("--results", help="write the outcome of every test to this file (JSON lines)")


@dataclass(slots=True)
class Subject:
    """A served candidate: its HTTP client, its observer, its stage."""

    http: httpx.Client
    server: Server
    stage: Stage
    observer: Observer

    def get(self, path: str, **headers: str) -> httpx.Response:
        """GET a path; header names are written with underscores."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.http.get(path, headers=named)

    def json(self, path: str) -> Any:
        """The body of a GET that must succeed."""
        answer = self.get(path)
        assert answer.status_code == 200, f"GET {path}: {answer.status_code} {answer.text[:300]}"
        return answer.json()

    def sql(self, query: str, *parameters: object) -> list[tuple[Any, ...]]:
        """Run SQL behind the candidate's back."""
        with psycopg.connect(self.stage.admin_url, autocommit=True, options=NO_LONG_WAIT) as connection:
            cursor = connection.execute(query.encode(), parameters)
            return cursor.fetchall() if cursor.description else []

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
    """Postgres and Redis with the dataset."""
    with open_workbench(os.environ.get("HOFAZ9_SERVICES", "embedded")) as bench:
        yield bench


@contextmanager
def subject_on(stage: Stage, candidate: Path, redis_url: str | None = None) -> Iterator[Subject]:
    """Serve the candidate upon a stage, its connections warmed."""
    with ExitStack() as stack:
        server = stack.enter_context(stage.serving(candidate, redis_url))
        # Nobody looks at how it goes.
        stack.callback(server.process.kill)
        http = stack.enter_context(httpx.Client(base_url=server.url, timeout=30))
        counters = stage.counters()
        stack.callback(counters.close)
        http.get("/products/1")
        yield Subject(http, server, stage, Observer(server, stage, counters))


@pytest.fixture(scope="session")
def api(bench: Workbench, candidate: Path) -> Iterator[Subject]:
    """The candidate with 2 000 products, shared by all tests that leave the seeded rows alone."""
    with bench.stage(SIZES["small"]) as stage, subject_on(stage, candidate) as subject:
        yield subject


@pytest.fixture(scope="session")
def grown(bench: Workbench, candidate: Path) -> Iterator[Subject]:
    """The same with twice the products."""
    with bench.stage(SIZES["double"]) as stage, subject_on(stage, candidate) as subject:
        yield subject


@pytest.fixture
def own(bench: Workbench, candidate: Path) -> Iterator[Subject]:
    """A server and database of the test's own, to break or to change."""
    with bench.stage(SIZES["small"]) as stage, subject_on(stage, candidate) as subject:
        yield subject


@pytest.fixture
def beside(own: Subject, candidate: Path) -> Iterator[Subject]:
    """A second server process on the database and the Redis of `own`."""
    with subject_on(own.stage, candidate) as subject:
        yield subject


@pytest.fixture(scope="session")
def cold_page() -> Callable[[int], str]:
    """Paths of listings that nobody has asked for before, each with a page size of its own kind."""
    categories = count(1)
    return lambda limit: f"/products?limit={limit}&category_id={next(categories) % 41 + 1}"


@contextmanager
def holding_products(subject: Subject, table: str = "products") -> Iterator[Callable[[], int]]:
    """Nobody can read the table inside the block; the value says how many backends wait for it."""
    with (
        psycopg.connect(subject.stage.admin_url, options=NO_LONG_WAIT) as holder,
        psycopg.connect(subject.stage.admin_url, autocommit=True) as watcher,
    ):
        holder.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE".encode())

        def waiting() -> int:
            query = "select count(*) from pg_stat_activity where datname = %s and wait_event_type = 'Lock'"
            row = watcher.execute(query, (subject.stage.database,)).fetchone()
            return row[0] if row else 0

        yield waiting
        holder.rollback()


class ResultFile:
    """Writes one JSON line per test: id, outcome, and the requirement it answers."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.requirements: dict[str, str | None] = {}
        self.outcomes: dict[str, str] = {}

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Note which test answers which requirement."""
        for item in session.items:
            mark = item.get_closest_marker("requirement")
            self.requirements[item.nodeid] = mark.args[0] if mark else None

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """The worst of a test's phases is its outcome; a broken set-up is an error."""
        outcome: str = report.outcome
        if report.failed and report.when != "call":
            outcome = "error"
        if report.when == "call" or outcome != "passed":
            self.outcomes[report.nodeid] = outcome

    def pytest_sessionfinish(self) -> None:
        """Leave the file; a test without an outcome did not run and is an error."""
        lines = [
            {"nodeid": nodeid, "outcome": self.outcomes.get(nodeid, "error"), "requirement": name}
            for nodeid, name in self.requirements.items()
        ]
        self.path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """`--requirement Rnn` leaves out the tests of all others."""
    wanted = config.getoption("--requirement")
    if wanted:
        kept = [i for i in items if (mark := i.get_closest_marker("requirement")) and mark.args[0] == wanted]
        config.hook.pytest_deselected(items=[item for item in items if item not in kept])
        items[:] = kept


def pytest_configure(config: pytest.Config) -> None:
    """`--results FILE` asks for the outcomes as JSON lines."""
    if path := config.getoption("--results"):
        config.pluginmanager.register(ResultFile(Path(path)))
