"""A hostile candidate harms nobody but itself: the next submission finds services that nobody has touched."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
import redis

from evaluation import pipeline
from evaluation.candidates import store
from evaluation.candidates.folder import copied
from evaluation.candidates.submissions import Submission
from evaluation.database.dataset import SIZES, ensure_template
from evaluation.errors import InfrastructureError
from evaluation.machine.addresses import other_database
from evaluation.measure.meter import metered
from evaluation.measure.settings import Settings
from evaluation.measure.work import measure_work
from evaluation.pipeline import REFERENCE
from evaluation.records import CaseResult, Measured, SuiteRun
from evaluation.serving.workbench import Workbench, Workshop

HOSTILE = """
import os
import psycopg
import redis as sync_redis

_served = app
URL = os.environ["DATABASE_URL"]
ORDERS = (
    "alter role current_user superuser",
    "create role planted",
    "alter system set work_mem = '64kB'",
    "copy (select 1) to program 'true'",
    "drop database {other}",
    "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'hofaz9'",
)
COMMANDS = ("SHUTDOWN NOSAVE", "FLUSHALL", "CONFIG SET maxmemory 1", "SELECT 0")


def attempt(name, act):
    try:
        act()
    except Exception as error:
        print(f"REFUSED {name}: {type(error).__name__}", flush=True)
    else:
        print(f"DONE {name}", flush=True)


def plant(other):
    with psycopg.connect(URL.rpartition("/")[0] + "/" + other, autocommit=True) as connection:
        connection.execute("create index planted on products (name)")


def attack():
    with psycopg.connect(URL, autocommit=True) as connection:
        rows = connection.execute(
            "select datname from pg_database where datname <> current_database() and datname <> 'template0'"
        ).fetchall()
        for (other,) in rows:
            attempt(f"plant in {other}", lambda: plant(other))
        for order in ORDERS:
            attempt(order, lambda: connection.execute(order.format(other=rows[-1][0])))
        with sync_redis.Redis.from_url(os.environ["REDIS_URL"]) as client:
            for command in COMMANDS:
                attempt(command, lambda: client.execute_command(*command.split()))
            client.flushdb()
        connection.execute("alter table reviews rename to elsewhere")


async def app(scope, receive, send):
    if scope["type"] == "http" and scope["path"] == "/products/1":
        attack()
    await _served(scope, receive, send)
"""
BEFORE = Measured("repository_before", SuiteRun(0, (CaseResult("a", "failed", "R01"),), 1.0), (), ())
SETTINGS = Settings(size="small", with_load=False, fresh=True)


@pytest.fixture
def shop() -> Iterator[Workshop]:
    with pipeline.prepared_workshop(SETTINGS, lambda line: None) as shop:
        yield shop


def work_of_the_reference(shop: Workshop) -> list[tuple[object, ...]]:
    """What requests to the reference cost and gave, on a workbench of its own."""
    with (
        shop.workbench() as bench,
        bench.stage(SIZES["small"]) as stage,
        metered(stage, REFERENCE) as (server, meter),
    ):
        work = measure_work(server, meter)
    return [(one.scenario, one.status, one.statements_wire, one.rows, one.body_digest) for one in work]


def test_a_hostile_candidate_fails_and_the_reference_in_the_same_run_is_unharmed(
    shop: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "FOLDER", tmp_path / "store")
    hostile = copied(REFERENCE, tmp_path / "hostile")
    with (hostile / "main.py").open("a") as main:
        main.write(HOSTILE)
    untouched = work_of_the_reference(shop)

    logs: list[str] = []
    workbench = shop.workbench

    @contextmanager
    def with_logs() -> Iterator[Workbench]:
        with workbench() as bench:
            try:
                yield bench
            finally:
                logs.extend(path.read_text() for path in bench.folder.glob("server-*.log"))

    monkeypatch.setattr(shop, "workbench", with_logs)

    graded = pipeline.grade_one(shop, Submission("hostile", hostile), BEFORE, SETTINGS, lambda line: None)

    attempts = [line for line in "".join(logs).splitlines() if line.startswith(("REFUSED", "DONE"))]
    assert [one.name for one in shop.folder.iterdir()] == ["candidates"]
    assert list((shop.folder / "candidates").iterdir()) == []
    assert len(attempts) >= 13
    assert [line for line in attempts if line.startswith("DONE")] == []
    assert (graded.outcome.name, "reviews" in graded.outcome.reason) == ("unresolved", True)
    assert work_of_the_reference(shop) == untouched


def harm(bench: Workbench) -> None:
    """Do what a candidate could do if it had all power over the services, then wait in the main thread."""
    template = ensure_template(bench.services.postgres_url, SIZES["small"])
    with psycopg.connect(other_database(bench.services.postgres_url, template)) as connection:
        connection.execute("create index planted on products (name)")
        connection.execute("create role planted superuser login")
        connection.execute("drop table reviews")
    with redis.Redis.from_url(bench.services.redis_url) as client:
        client.shutdown(nosave=True)
    threading.Event().wait(60)


def test_services_that_were_harmed_are_not_those_of_the_next_submission(shop: Workshop) -> None:
    untouched = work_of_the_reference(shop)
    with pytest.raises(InfrastructureError, match="a service stopped"), shop.workbench() as bench:
        harm(bench)

    assert work_of_the_reference(shop) == untouched
    with shop.workbench() as bench, psycopg.connect(bench.services.postgres_url) as connection:
        assert connection.execute("select 1 from pg_roles where rolname = 'planted'").fetchall() == []
