"""URLs of running services in every form that people write, and what is shown of a refused one."""

import os
from urllib.parse import urlsplit

import psycopg
import pytest
import redis
from sqlalchemy import make_url

from evaluation.candidates import store
from evaluation.errors import InfrastructureError, UsageError
from evaluation.machine.addresses import (
    other_database,
    place_of,
    postgres,
    redis_database,
    redis_login,
    shown,
    with_login,
)
from evaluation.services.by_url import check_redis, running_services
from evaluation.services.cleaner import Cleaner
from evaluation.services.services import open_services
from evaluation.serving.workbench import open_workbench

POSTGRES_FORMS = {
    "postgresql://u:p@h:5/d": "postgresql://u:p@h:5/d",
    "postgres://u:p@h:5/d": "postgresql://u:p@h:5/d",
    "postgresql+asyncpg://u:p@h/d": "postgresql://u:p@h:5432/d",
    "postgresql://u@h": "postgresql://u@h:5432/",
    "postgresql://u:p@[::1]:5/d": "postgresql://u:p@[::1]:5/d",
    "postgresql://u:p@[fe80::1]/d": "postgresql://u:p@[fe80::1]:5432/d",
    "postgresql://u:p%40%2Fw@h:5/d": "postgresql://u:p%40%2Fw@h:5/d",
    "postgresql://u:p@h:5/d?sslmode=require&connect_timeout=3": "postgresql://u:p@h:5/d?sslmode=require",
    "postgresql:///d?host=/var/run&user=u&password=p+w": "postgresql://u:p%2Bw@/d?host=/var/run&port=5432",
    "postgresql://u:p@%2FVar%2Frun:5/d": "postgresql://u:p@/d?host=/Var/run&port=5",
    "postgresql:///d?host=h&port=5": "postgresql://h:5/d",
}
SECRET = "s3cret"
REFUSED_POSTGRES = [
    f"mysql://u:{SECRET}@h/d",
    f"host=h password={SECRET}",
    f"mysql://h/d?password={SECRET}&sslpassword={SECRET}",
    f"postgresql://u:{SECRET}@h1:1,h2:2/d",
    f"postgresql://u:{SECRET}@h1,h2/d",
    f"postgresql://u:{SECRET}@h:port/d",
    f"postgresql://u:{SECRET}/w@h:5432/d",
    f"postgresql://u:{SECRET}@w@[::1/d",
    f"postgresql://h:x/d?password={SECRET}",
    f"postgresql://{SECRET}:5:6/d",
]
REFUSED_REDIS = [
    f"unix://u:{SECRET}@/run/redis.sock",
    f"redis://:{SECRET}:6379",
    f"redis://:{SECRET}@h:port/0",
    f"http://:{SECRET}@h",
    f"redis://:{SECRET}@[::1",
]


@pytest.mark.parametrize("url", list(POSTGRES_FORMS))
def test_every_form_of_a_postgres_url_becomes_one_that_libpq_reads(url: str) -> None:
    found = postgres(url).url

    assert found == POSTGRES_FORMS[url]
    assert postgres(found).url == found
    assert psycopg.conninfo.conninfo_to_dict(found).get("dbname") == (postgres(url).database or None)


@pytest.mark.parametrize("url", list(POSTGRES_FORMS))
def test_a_candidate_gets_its_own_login_at_the_same_place(url: str) -> None:
    own = make_url(with_login(url, "me", "mine", "stage"))

    assert (own.username, own.password, own.database) == ("me", "mine", "stage")
    place = (own.host or own.query["host"], str(own.port or own.query["port"]))
    assert place == place_of(url)
    assert set(own.query) <= {"host", "port"}


def test_another_database_is_reached_in_the_same_way() -> None:
    url = "postgresql://u:p@[::1]:5/d?sslmode=require"

    assert other_database(url, "e") == "postgresql://u:p@[::1]:5/e?sslmode=require"


@pytest.mark.parametrize(
    ("url", "third"),
    [
        ("redis://h:6", "redis://h:6/3"),
        ("redis://h:6/", "redis://h:6/3"),
        ("redis://h:6/7", "redis://h:6/3"),
        ("redis://u:p@[::1]:6/7?db=9&protocol=3", "redis://u:p@[::1]:6/3?protocol=3"),
    ],
)
def test_a_redis_url_names_the_database_that_we_want(url: str, third: str) -> None:
    assert redis_database(url, 3) == third
    assert redis.Redis.from_url(redis_database(url, 3)).connection_pool.connection_kwargs["db"] == 3


@pytest.mark.parametrize("place", ["h:6", "[::1]:6", "h"])
def test_a_candidate_gets_its_own_login_of_redis(place: str) -> None:
    url = redis_login(f"redis://u:p@{place}/7?protocol=3", "me", "mine", "3")

    assert url == f"redis://me:mine@{place}{'' if place.endswith(':6') else ':6379'}/3"


@pytest.mark.parametrize("url", REFUSED_POSTGRES)
def test_a_refused_postgres_url_is_shown_without_its_password(url: str) -> None:
    with pytest.raises(UsageError, match="URL") as refused:
        postgres(url)

    assert SECRET not in str(refused.value)
    assert SECRET not in str(refused.value.__cause__ or "")


@pytest.mark.parametrize("url", REFUSED_REDIS)
def test_a_refused_redis_url_is_shown_without_its_password(url: str) -> None:
    with pytest.raises(UsageError, match="URL") as refused:
        redis_database(url, 1)

    assert SECRET not in str(refused.value)


def test_what_is_no_secret_is_shown() -> None:
    assert shown(f"postgresql://u:{SECRET}@h:5/d?sslmode=x") == "postgresql://u:***@h:5/d?sslmode=x"
    assert shown("redis://[::1]:6/7") == "redis://[::1]:6/7"


def test_an_unknown_parameter_of_redis_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="no_such_parameter"):
        check_redis("redis://127.0.0.1:1/0?no_such_parameter=1")
    with pytest.raises(InfrastructureError, match="does not answer"):
        check_redis("redis://127.0.0.1:1/0")


def test_a_socket_that_candidates_cannot_see_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1")
    monkeypatch.setenv("DATABASE_URL", "postgresql://u:p@/d?host=/tmp/sockets")
    with pytest.raises(UsageError, match="do not see a socket in /tmp/sockets"):
        running_services()

    monkeypatch.setenv("DATABASE_URL", "postgresql://u:p@/d?host=/nowhere/sockets")
    with pytest.raises(InfrastructureError, match="DATABASE_URL does not answer"):
        running_services()


def test_missing_urls_are_named_and_others_are_another_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.setenv("REDIS_URL", "redis://h:1")
    without = store.machine_digest("url")
    with pytest.raises(UsageError, match="needs DATABASE_URL in"):
        running_services()

    digests = {without, store.machine_digest("embedded")}
    for url in ("postgresql://u:p@h/d", "postgresql://u:p@i/d", "postgresql:///d?host=/run"):
        monkeypatch.setenv("DATABASE_URL", url)
        digests.add(store.machine_digest("url"))

    assert len(digests) == 5


def test_a_candidate_is_served_on_running_services_named_in_other_forms(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with Cleaner() as cleaner, open_services(cleaner=cleaner) as running:
        plain = running.postgres_url.replace("postgresql://", "postgres://")
        monkeypatch.setenv("DATABASE_URL", f"{plain}?sslmode=prefer&application_name=x")
        monkeypatch.setenv("REDIS_URL", f"{running.redis_url}/5?protocol=3")

        with open_workbench("url") as bench, bench.stage(100) as stage:
            with psycopg.connect(stage.url) as connection:
                rows = connection.execute("select count(*) from products").fetchone()
            with redis.Redis.from_url(stage.redis_url) as client:
                is_there = client.ping()

    assert rows == (100,)
    assert is_there
    assert urlsplit(stage.url).query == ""
    assert urlsplit(stage.redis_url)[2:4] == ("/1", "")
    assert "REDIS_URL" in os.environ
