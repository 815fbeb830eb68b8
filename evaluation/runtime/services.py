"""Postgres and Redis for an evaluation: embedded, in containers, or running ones named by URL."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import redis

from evaluation.errors import InfrastructureError, UsageError
from evaluation.runtime.docker import docker_services
from evaluation.runtime.embedded import embedded_services
from evaluation.runtime.janitor import Janitor
from evaluation.runtime.watch import Watch

MODES = ("embedded", "docker", "url")

NEEDED = {
    "select rolsuper or (rolcreatedb and rolcreaterole) from pg_roles where rolname = current_user": (
        "may not create databases and roles: ALTER ROLE {role} CREATEDB CREATEROLE"
    ),
    "select count(*) > 0 from pg_extension where extname = 'pg_stat_statements'": (
        "finds no pg_stat_statements in its database: set shared_preload_libraries = "
        "'pg_stat_statements', restart, CREATE EXTENSION pg_stat_statements"
    ),
    "select current_setting('pg_stat_statements.max', true) is not null": (
        "has pg_stat_statements but does not load it: set shared_preload_libraries = "
        "'pg_stat_statements' and restart"
    ),
    "select pg_has_role(current_user, 'pg_read_all_stats', 'usage')": (
        "may not read other roles' statements: GRANT pg_read_all_stats TO {role}"
    ),
}


@dataclass(frozen=True, slots=True)
class Services:
    """Where they listen; the Postgres URL is an administrator's."""

    postgres_url: str
    redis_url: str
    mode: str


@contextmanager
def open_services(
    mode: str = "embedded", *, janitor: Janitor, folder: Path | None = None
) -> Iterator[Services]:
    """Services of a mode for as long as the block lasts; embedded ones live inside `folder`.

    Whatever happens inside the block, InfrastructureError when a service did not last.
    """
    with (
        started_services(mode, janitor, folder) as services,
        Watch(services.postgres_url, services.redis_url),
    ):
        yield services


@contextmanager
def started_services(mode: str, janitor: Janitor, folder: Path | None) -> Iterator[Services]:
    """Services of a mode, started where there is something to start."""
    if mode == "url":
        yield running_services()
    elif mode == "docker":
        with docker_services(janitor) as (postgres_url, redis_url):
            yield Services(postgres_url, redis_url, mode)
    elif mode == "embedded":
        with tempfile.TemporaryDirectory(prefix="hofaz9-", dir=folder, ignore_cleanup_errors=True) as name:
            janitor.folder(Path(name))
            with embedded_services(Path(name), janitor) as (postgres_url, redis_url):
                yield Services(postgres_url, redis_url, mode)
    else:
        raise UsageError(f"there is no services mode {mode!r}, only {', '.join(MODES)}")


def running_services() -> Services:
    """The services that DATABASE_URL and REDIS_URL name, once they are seen to be enough."""
    missing = [name for name in ("DATABASE_URL", "REDIS_URL") if not os.environ.get(name)]
    if missing:
        raise UsageError(f"--services url needs {' and '.join(missing)} in the environment")
    services = Services(os.environ["DATABASE_URL"], os.environ["REDIS_URL"], "url")
    check_postgres(services.postgres_url)
    check_redis(services.redis_url)
    return services


def check_postgres(url: str) -> None:
    """It answers and allows what an evaluation does."""
    try:
        with psycopg.connect(url, connect_timeout=5) as connection:
            role = connection.info.user
            for query, complaint in NEEDED.items():
                row = connection.execute(query.encode()).fetchone()
                if not row or not row[0]:
                    raise InfrastructureError(f"DATABASE_URL: {complaint.format(role=role)}")
    except psycopg.Error as error:
        raise InfrastructureError(f"DATABASE_URL does not answer: {error}") from error


def check_redis(url: str) -> None:
    """It answers."""
    try:
        with redis.Redis.from_url(url, socket_connect_timeout=5) as client:
            client.ping()
    except (redis.RedisError, ValueError) as error:
        raise InfrastructureError(f"REDIS_URL does not answer: {error}") from error
