"""Running services, named by DATABASE_URL and REDIS_URL, and the check that an evaluation can use them."""

import os
from pathlib import Path

import psycopg
import redis

from evaluation.errors import InfrastructureError, UsageError
from evaluation.machine.addresses import postgres, redis_database

UNSEEN = ("/tmp", "/var/tmp", "/dev/shm")
"""Candidates have temporary folders of their own."""
NEEDED = {
    "select rolsuper or (rolcreatedb and rolcreaterole) from pg_roles where rolname = current_user": (
        "role {role} may not create databases and roles: ALTER ROLE {role} CREATEDB CREATEROLE"
    ),
    "select count(*) > 0 from pg_extension where extname = 'pg_stat_statements'": (
        "the database has no extension pg_stat_statements: set shared_preload_libraries = "
        "'pg_stat_statements', restart, CREATE EXTENSION pg_stat_statements"
    ),
    "select current_setting('pg_stat_statements.max', true) is not null": (
        "the server does not load pg_stat_statements: set shared_preload_libraries = "
        "'pg_stat_statements' and restart"
    ),
    "select pg_has_role(current_user, 'pg_read_all_stats', 'usage')": (
        "role {role} may not read the statements of other roles: GRANT pg_read_all_stats TO {role}"
    ),
}


def running_services() -> tuple[str, str]:
    """The URLs of Postgres and Redis, after both were checked."""
    missing = [name for name in ("DATABASE_URL", "REDIS_URL") if not os.environ.get(name)]
    if missing:
        raise UsageError(f"--services url needs {' and '.join(missing)} in the environment")
    found = postgres(os.environ["DATABASE_URL"])
    if any(Path(found.host).is_relative_to(folder) for folder in UNSEEN):
        raise UsageError(f"DATABASE_URL: candidates do not see a socket in {found.host}: use another folder")
    postgres_url = found.url
    redis_url = redis_database(os.environ["REDIS_URL"], 0)
    check_postgres(postgres_url)
    check_redis(redis_url)
    return postgres_url, redis_url


def check_postgres(url: str) -> None:
    """Raise InfrastructureError unless Postgres answers and the role has the rights it needs."""
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
    """Raise InfrastructureError unless Redis answers and lets us create users.

    UsageError for a parameter that it does not know.
    """
    try:
        with redis.Redis.from_url(url, socket_connect_timeout=5) as client:
            client.acl_users()
    except (ValueError, TypeError) as error:
        raise UsageError(f"REDIS_URL cannot be used: {error}") from error
    except redis.RedisError as error:
        raise InfrastructureError(f"REDIS_URL does not answer, or gives no right to ACL: {error}") from error
