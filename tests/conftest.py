"""Serves the candidate under test, and provides fixtures to observe it."""

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
"""For the suite's own connections: a candidate that leaks transactions fails a test and does not block it."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options; `--candidate DIR` (or REPO_PATH=DIR) chooses the catalog to test."""
    default = os.environ.get("REPO_PATH", "repository_after")
    parser.addoption("--candidate", default=default, help=f"folder of the catalog (default: {default})")
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
        """GET a path; underscores in header names stand for hyphens."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.http.get(path, headers=named)

    def json(self, path: str) -> Any:
        """The body of a GET that must succeed."""
        answer = self.get(path)
        assert answer.status_code == 200, f"GET {path}: {answer.status_code} {answer.text[:300]}"
        return answer.json()

    def sql(self, query: str, *parameters: object) -> list[tuple[Any, ...]]:
        """Run SQL directly on the database, past the candidate."""
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
    """Running Postgres and Redis, from which stages are made."""
    with open_workbench(os.environ.get("HOFAZ9_SERVICES", "embedded")) as bench:
        yield bench


@contextmanager
def subject_on(stage: Stage, candidate: Path, redis_url: str | None = None) -> Iterator[Subject]:
    """Serve the candidate on a stage, with warm connections."""
    with ExitStack() as stack:
        server = stack.enter_context(stage.serving(candidate, redis_url))
        # No test depends on a graceful shutdown, so the server is killed, which is faster.
        stack.callback(server.process.kill)
        http = stack.enter_context(httpx.Client(base_url=server.url, timeout=30))
        counters = stage.counters()
        stack.callback(counters.close)
        http.get("/products/1")
        yield Subject(http, server, stage, Observer(server, stage, counters))


@pytest.fixture(scope="session")
def api(bench: Workbench, candidate: Path) -> Iterator[Subject]:
    """The candidate with 2 000 products, shared by all tests that do not change the seeded rows."""
    with bench.stage(SIZES["small"]) as stage, subject_on(stage, candidate) as subject:
        yield subject


@pytest.fixture(scope="session")
def grown(bench: Workbench, candidate: Path) -> Iterator[Subject]:
    """The candidate with 4 000 products, shared in the same way."""
    with bench.stage(SIZES["double"]) as stage, subject_on(stage, candidate) as subject:
        yield subject


@pytest.fixture
def own(bench: Workbench, candidate: Path) -> Iterator[Subject]:
    """The candidate with a private server and database, which the test may change or break."""
    with bench.stage(SIZES["small"]) as stage, subject_on(stage, candidate) as subject:
        yield subject


@pytest.fixture
def second_server(own: Subject, candidate: Path) -> Iterator[Subject]:
    """A second server process of the candidate that shares the database and the Redis of `own`."""
    with subject_on(own.stage, candidate) as subject:
        yield subject


@pytest.fixture(scope="session")
def cold_page() -> Callable[[int], str]:
    """A function that returns the path of a listing with this limit that was not requested before."""
    categories = count(1)
    return lambda limit: f"/products?limit={limit}&category_id={next(categories) % 41 + 1}"


@contextmanager
def holding_products(subject: Subject, table: str = "products") -> Iterator[Callable[[], int]]:
    """Lock a table until the block ends; yields a function that counts the backends that wait for it."""
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
    """Writes one JSON line for each test: its id, its outcome, and its requirement."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.requirements: dict[str, str | None] = {}
        self.outcomes: dict[str, str] = {}

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Record the requirement of each test."""
        for item in session.items:
            mark = item.get_closest_marker("requirement")
            self.requirements[item.nodeid] = mark.args[0] if mark else None

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Record the worst outcome of a test's phases; a failed set-up or teardown is an error."""
        outcome: str = report.outcome
        if report.failed and report.when != "call":
            outcome = "error"
        if report.when == "call" or outcome != "passed":
            self.outcomes[report.nodeid] = outcome

    def pytest_sessionfinish(self) -> None:
        """Write the file; a test without an outcome did not run and is an error."""
        lines = [
            {"nodeid": nodeid, "outcome": self.outcomes.get(nodeid, "error"), "requirement": name}
            for nodeid, name in self.requirements.items()
        ]
        self.path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Apply `--requirement Rnn`: deselect all tests of other requirements."""
    wanted = config.getoption("--requirement")
    if wanted:
        kept = [i for i in items if (mark := i.get_closest_marker("requirement")) and mark.args[0] == wanted]
        config.hook.pytest_deselected(items=[item for item in items if item not in kept])
        items[:] = kept


def pytest_configure(config: pytest.Config) -> None:
    """Apply `--results FILE`: write the outcomes as JSON lines."""
    if path := config.getoption("--results"):
        config.pluginmanager.register(ResultFile(Path(path)))
