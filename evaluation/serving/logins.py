"""The logins of one stage: the candidate's and ours in Postgres, the candidate's in Redis."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import redis
from psycopg import sql

from evaluation.database import dataset
from evaluation.services.administrator import encrypted

CONNECTIONS = 350
"""As many may a candidate have at a time; the rest of `max_connections` is ours."""
TIME_ZONE = {"timezone": "UTC"}
"""A running server may have another one."""
OUR_LIMITS = {"lock_timeout": "10s", "statement_timeout": "120s"}
RIGHTS = ("~*", "&*", "+@all", "-@admin", "-flushall", "-swapdb", "-move", "-copy", "-select")
"""What a candidate may do in Redis: anything with keys. Which database it may select is added."""


def create_roles(admin_url: str, name: str, password: str, ours: str, our_password: str) -> None:
    """Create a role that owns the catalog's tables and has no other rights, and ours, which is its member.

    We do not wait for ever for what a candidate has locked.
    """
    role, member = sql.Identifier(name), sql.Identifier(ours)
    with psycopg.connect(admin_url, autocommit=True) as admin:
        admin.execute(
            sql.SQL("CREATE ROLE {} LOGIN PASSWORD {} CONNECTION LIMIT {} IN ROLE {}").format(
                role,
                sql.Literal(encrypted(admin, name, password)),
                sql.Literal(CONNECTIONS),
                sql.Identifier(dataset.OWNER_ROLE),
            )
        )
        admin.execute(
            sql.SQL("CREATE ROLE {} LOGIN PASSWORD {} IN ROLE {}").format(
                member, sql.Literal(encrypted(admin, ours, our_password)), role
            )
        )
        for one, settings in ((role, TIME_ZONE), (member, TIME_ZONE | OUR_LIMITS)):
            for setting, value in settings.items():
                admin.execute(
                    sql.SQL("ALTER ROLE {} SET {} = {}").format(
                        one, sql.Identifier(setting), sql.Literal(value)
                    )
                )


def drop_roles(admin_url: str, *names: str) -> None:
    """Drop roles."""
    with psycopg.connect(admin_url, autocommit=True) as connection:
        for name in names:
            connection.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(name)))


@contextmanager
def redis_user(url: str, number: str, name: str, password: str) -> Iterator[None]:
    """Create a user of Redis who has RIGHTS in one database, and remove it at the end of the block."""
    with redis.Redis.from_url(url) as client:
        create_redis_user(client, number, name, password)
        yield
        client.acl_deluser(name)


def create_redis_user(client: redis.Redis, number: str, name: str, password: str) -> None:
    """Create a user who has RIGHTS in one database.

    Where the server knows no rights to databases, as Redis and Valkey before 9.1, the user may also use the
    database in which every connection begins.
    """
    command = ("ACL", "SETUSER", name, "on", f">{password}", *RIGHTS, f"+select|{number}")
    try:
        client.execute_command(*command, "resetdbs", f"db={number}")  # type: ignore[no-untyped-call]
    except redis.ResponseError:
        client.execute_command(*command)  # type: ignore[no-untyped-call]
