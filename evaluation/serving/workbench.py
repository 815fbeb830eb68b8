"""The workbench: running services, and stages to serve candidates on, each stage with its own database."""

import secrets
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
import redis
from psycopg import sql

from evaluation.database import dataset
from evaluation.database.counters import Counters
from evaluation.errors import InfrastructureError
from evaluation.services.cleaner import Cleaner
from evaluation.services.services import Services, open_services
from evaluation.serving.server import FREE_PORT, Server, serving
from evaluation.serving.spawn import ForkServers

CLAIM = "hofaz9:claimed"
"""A key that marks a Redis database as in use."""


@dataclass(frozen=True, slots=True)
class Stage:
    """A clone of the dataset, a Postgres role and a Redis database, all for one candidate alone."""

    database: str
    role: str
    url: str
    admin_url: str
    counters_url: str
    redis_url: str
    folder: Path
    forkservers: ForkServers
    cleaner: Cleaner

    @contextmanager
    def serving(
        self,
        directory: Path,
        redis_url: str | None = None,
        *,
        options: tuple[str, ...] = (),
        address: tuple[str, int] = FREE_PORT,
    ) -> Iterator[Server]:
        """Serve a candidate on this stage; `options` are those of `serve.py`."""
        handle, name = tempfile.mkstemp(".log", "server-", self.folder)
        open(handle, "wb").close()
        log, redis_url = Path(name), redis_url or self.redis_url
        with serving(
            directory, self.url, redis_url, log, self.forkservers, options=options, address=address
        ) as server:
            yield server

    def counters(self) -> Counters:
        """The counters of Postgres for this stage's database."""
        return Counters(self.counters_url, self.database)


class Workbench:
    """Running services, from which stages are made."""

    def __init__(self, services: Services, cleaner: Cleaner, forkservers: ForkServers, folder: Path) -> None:
        self.services = services
        self.cleaner = cleaner
        self.forkservers = forkservers
        self.folder = folder

    @contextmanager
    def stage(self, products: int) -> Iterator[Stage]:
        """A stage with a fresh clone of the dataset of this many products."""
        admin_url = self.services.postgres_url
        template = dataset.ensure_template(admin_url, products)
        name = f"hofaz9_stage_{secrets.token_hex(4)}"
        password = secrets.token_hex(16)
        with ExitStack() as stack:
            self.cleaner.role(name, admin_url)
            create_role(admin_url, name, password)
            stack.callback(drop_role, admin_url, name)
            self.cleaner.database(name, admin_url)
            stack.callback(dataset.drop, admin_url, name)
            dataset.clone(admin_url, template, name, name)
            dataset.verify(dataset.other_database(admin_url, name), products)
            number = self.free_redis_database()
            redis_url = f"{self.services.redis_url.rstrip('/')}/{number}"
            stack.callback(empty_redis, redis_url)
            yield Stage(
                name,
                name,
                with_login(admin_url, name, password, name),
                dataset.other_database(admin_url, name),
                admin_url,
                redis_url,
                self.folder,
                self.forkservers,
                self.cleaner,
            )

    def free_redis_database(self) -> int:
        """The number of an unused Redis database, which is now claimed by a key of ours."""
        for number in range(1, 64):
            with redis.Redis.from_url(f"{self.services.redis_url.rstrip('/')}/{number}") as client:
                try:
                    if client.dbsize() == 0 and client.set(CLAIM, 1, nx=True):
                        return number
                except redis.ResponseError:
                    break
        raise InfrastructureError("no empty Redis database is left: run FLUSHDB in one of 1 to 15")


def create_role(admin_url: str, name: str, password: str) -> None:
    """Create a role that owns the catalog's tables and has no other rights."""
    with psycopg.connect(admin_url, autocommit=True) as connection:
        connection.execute(
            sql.SQL("CREATE ROLE {} LOGIN PASSWORD {} IN ROLE {}").format(
                sql.Identifier(name), sql.Literal(password), sql.Identifier(dataset.OWNER_ROLE)
            )
        )


def drop_role(admin_url: str, name: str) -> None:
    """Drop the role."""
    with psycopg.connect(admin_url, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(name)))


def empty_redis(url: str) -> None:
    """Delete everything that a candidate left in its Redis database."""
    with redis.Redis.from_url(url) as client:
        client.flushdb()


def with_login(url: str, user: str, password: str, database: str) -> str:
    """The URL with another user, password and database on the same server."""
    parts = urlsplit(url)
    netloc = f"{user}:{password}@{parts.hostname}:{parts.port or 5432}"
    return urlunsplit(parts._replace(netloc=netloc, path=f"/{database}", query=""))


@contextmanager
def open_workbench(mode: str = "embedded") -> Iterator[Workbench]:
    """Start services, cleaner and fork servers with a private folder; the end of the block removes all."""
    with Cleaner() as cleaner, tempfile.TemporaryDirectory(prefix="hofaz9-run-") as folder:
        cleaner.folder(Path(folder))
        with open_services(mode, cleaner=cleaner) as services, ForkServers(cleaner) as forkservers:
            yield Workbench(services, cleaner, forkservers, Path(folder))
