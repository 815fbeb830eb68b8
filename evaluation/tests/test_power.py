"""A candidate gets no power over our services: neither by its logins, nor by what we run for it."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
import redis

from evaluation.database import dataset
from evaluation.database.dataset import SIZES
from evaluation.database.expected import expected_products
from evaluation.errors import CandidateError
from evaluation.machine.addresses import other_database
from evaluation.serving.workbench import Stage, Workbench, open_workshop


@pytest.fixture(scope="module")
def bench() -> Iterator[Workbench]:
    with open_workshop("embedded", [SIZES["small"]]) as workshop, workshop.workbench() as bench:
        yield bench


def test_a_candidate_can_enter_its_own_database_alone(bench: Workbench, stage: Stage) -> None:
    template = dataset.ensure_template(bench.services.postgres_url, SIZES["small"])

    with bench.stage(SIZES["small"]) as other:
        for name in ("postgres", "template1", template, other.database):
            with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
                psycopg.connect(other_database(stage.url, name))

    psycopg.connect(stage.url).close()


def test_our_own_login_to_the_tables_of_a_candidate_has_no_more_rights_than_the_candidate(
    stage: Stage,
) -> None:
    with psycopg.connect(stage.url) as connection:
        connection.execute(
            "create function taken() returns trigger language plpgsql as "
            "$$ begin execute 'alter role ' || session_user || ' superuser'; return new; end $$"
        )
        connection.execute(
            "create trigger taken before update on users for each row execute function taken()"
        )

    with psycopg.connect(stage.admin_url) as ours, pytest.raises(psycopg.errors.InsufficientPrivilege):
        ours.execute("update users set name = 'N' where id = 1")


@pytest.mark.parametrize("function", ["pg_terminate_backend", "pg_cancel_backend"])
def test_a_candidate_ends_no_session_and_we_may(stage: Stage, function: str) -> None:
    query = f"select {function}(pg_backend_pid())".encode()

    with psycopg.connect(stage.url) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(query)
    with psycopg.connect(stage.admin_url) as ours, pytest.raises(psycopg.OperationalError):
        ours.execute(query)


def test_we_do_not_wait_for_ever_for_what_a_candidate_has_locked(stage: Stage) -> None:
    with psycopg.connect(stage.url) as holder, psycopg.connect(stage.admin_url) as ours:
        holder.execute("lock table reviews in access exclusive mode")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            ours.execute("select count(*) from reviews")


def test_what_goes_wrong_in_the_database_of_a_candidate_is_its_own_doing(bench: Workbench) -> None:
    with pytest.raises(CandidateError, match="nowhere"), bench.stage(SIZES["small"]) as stage:
        expected_products(stage.admin_url, "join nowhere using (id)")


def test_a_login_takes_one_round_of_hashing(bench: Workbench, stage: Stage) -> None:
    with psycopg.connect(bench.services.postgres_url) as admin:
        stored = admin.execute("select rolname, rolpassword from pg_authid where rolcanlogin").fetchall()

    assert {stage.role, stage.ours} <= {role for role, _ in stored}
    assert all(password.startswith("SCRAM-SHA-256$1:") for _, password in stored), stored


def test_a_counted_text_is_never_run(bench: Workbench, stage: Stage) -> None:
    text = (
        "select 1 from pg_type; commit; reset role; begin read write; create role planted superuser; commit"
    )

    with closing(stage.counters()) as counters:
        is_about_the_session = counters.is_about_the_session(text)

    with psycopg.connect(bench.services.postgres_url) as admin:
        assert admin.execute("select 1 from pg_roles where rolname = 'planted'").fetchall() == []
    assert not is_about_the_session


@pytest.mark.parametrize(
    "command",
    [
        "SHUTDOWN NOSAVE",
        "CONFIG SET maxmemory 1",
        "FLUSHALL",
        "ACL LIST",
        "SELECT 0",
        "SWAPDB 0 1",
        "MONITOR",
    ],
)
def test_a_candidate_has_power_over_the_keys_of_its_own_redis_database_alone(
    stage: Stage, command: str
) -> None:
    with redis.Redis.from_url(stage.redis_url) as client:
        client.set("mine", 1)
        with pytest.raises(redis.exceptions.NoPermissionError):
            client.execute_command(*command.split())
        assert client.get("mine") == b"1"


def test_a_candidate_has_no_power_over_the_redis_database_in_which_connections_begin(stage: Stage) -> None:
    url = urlsplit(stage.redis_url)._replace(path="").geturl()

    with redis.Redis.from_url(url) as client, pytest.raises(redis.exceptions.NoPermissionError):
        client.set("a mark", 1)


def test_a_redis_database_that_was_emptied_is_still_taken(bench: Workbench) -> None:
    with bench.stage(SIZES["small"]) as first:
        with redis.Redis.from_url(first.redis_url) as client:
            client.flushdb()
        with bench.stage(SIZES["small"]) as second:
            assert urlsplit(first.redis_url).path != urlsplit(second.redis_url).path


def test_no_password_is_on_disk_or_in_a_command_line_and_each_workbench_has_another() -> None:
    with open_workshop("embedded", [100]) as workshop:
        seen = set()
        for _ in range(2):
            with workshop.workbench() as bench:
                passwords = [
                    str(urlsplit(url).password)
                    for url in (bench.services.postgres_url, bench.services.redis_url)
                ]
                seen |= set(passwords)
                with psycopg.connect(bench.services.postgres_url) as connection:
                    [[folder]] = connection.execute("show data_directory").fetchall()
                places = [*Path(folder).parent.rglob("*"), *Path("/proc").glob("[0-9]*/cmdline")]
                texts = [text_of(path) for path in places if path.is_file()]
                assert not [one for one in passwords if any(one.encode() in text for text in texts)]
        assert workshop.seeded is not None
        assert not (workshop.seeded.folder.parent / "password").exists()
        assert len(seen | {workshop.seeded.password}) == 5


def text_of(path: Path) -> bytes:
    """The content of a file, unless it has gone."""
    try:
        return path.read_bytes()
    except OSError:
        return b""
