"""The workshop, where every submission gets a workbench: services that no other submission has touched.

On a workbench there are stages to serve a candidate on, each with its own database.
"""

import secrets
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Lock

import psycopg
import redis

from evaluation.database import dataset
from evaluation.database.counters import Counters
from evaluation.database.plans import tell_plans
from evaluation.errors import CandidateError, InfrastructureError
from evaluation.machine.addresses import other_database, redis_database, redis_login, with_login
from evaluation.machine.environment import cleaned
from evaluation.machine.room import allow_open_files, in_memory
from evaluation.services.cleaner import Cleaner
from evaluation.services.embedded import Cluster, seeded_cluster
from evaluation.services.services import Services, open_services
from evaluation.serving.logins import create_roles, drop_roles, redis_user
from evaluation.serving.relay import Relay
from evaluation.serving.server import FREE_PORT, Server, serving
from evaluation.serving.spawn import ForkServers
from evaluation.serving.wire import PostgresWire


@dataclass(frozen=True, slots=True)
class Stage:
    """A clone of the dataset, a Postgres role and a Redis database, all for one candidate alone.

    `admin_url` is our own login to the clone. It may do what the candidate may and no more, because what the
    candidate hangs on its tables runs with the rights of whoever uses them. `counters_url` is that of the
    administrator. Every process on the stage has the same `DATABASE_URL`, the relay's where there is one: a
    candidate may sign what it leaves for others with it.
    """

    database: str
    role: str
    ours: str
    url: str
    admin_url: str
    counters_url: str
    redis_url: str
    folder: Path
    forkservers: ForkServers
    cleaner: Cleaner
    relay: Relay | None = None

    @contextmanager
    def serving(
        self,
        directory: Path,
        redis_url: str | None = None,
        *,
        database_url: str | None = None,
        options: tuple[str, ...] = (),
        address: tuple[str, int] = FREE_PORT,
    ) -> Iterator[Server]:
        """Serve a candidate on this stage, or on relays before it; `options` are those of `serve.py`."""
        handle, name = tempfile.mkstemp(".log", "server-", self.folder)
        open(handle, "wb").close()
        database_url = database_url or (self.relay.url if self.relay else self.url)
        redis_url = redis_url or self.redis_url
        with serving(
            directory, database_url, redis_url, Path(name), self.forkservers, options=options, address=address
        ) as server:
            yield server

    def counters(self) -> Counters:
        """The counters of Postgres for this stage."""
        return Counters(self.counters_url, self.role, self.ours)


class Workbench:
    """Running services, from which stages are made."""

    def __init__(self, services: Services, cleaner: Cleaner, forkservers: ForkServers, folder: Path) -> None:
        self.services = services
        self.cleaner = cleaner
        self.forkservers = forkservers
        self.folder = folder

    @contextmanager
    def stage(self, products: int, *, with_plans: bool = False) -> Iterator[Stage]:
        """A stage with a fresh clone of the dataset of this many products.

        With plans, Postgres tells a relay before it how it ran each statement of the candidate; never where
        time is measured.
        What goes wrong on the clone or in the Redis database is the candidate's doing: CandidateError.
        """
        admin_url, redis_url = self.services.postgres_url, self.services.redis_url
        template = dataset.ensure_template(admin_url, products)
        name = f"hofaz9_stage_{secrets.token_hex(4)}"
        ours = f"{name}_ours"
        password, our_password = secrets.token_hex(16), secrets.token_hex(16)
        with ExitStack() as stack:
            for role in (name, ours):
                self.cleaner.role(role, admin_url)
            create_roles(admin_url, name, password, ours, our_password)
            stack.callback(drop_roles, admin_url, ours, name)
            if with_plans:
                tell_plans(admin_url, name)
            self.cleaner.database(name, admin_url)
            stack.callback(dataset.drop, admin_url, name)
            dataset.clone(admin_url, template, name, name, ours)
            dataset.verify(other_database(admin_url, name), products)
            number = stack.enter_context(self.redis_database())
            stack.enter_context(redis_user(redis_url, number, name, password))
            url = with_login(admin_url, name, password, name)
            relay = stack.enter_context(Relay(url, PostgresWire)) if with_plans else None
            stage = Stage(
                name,
                name,
                ours,
                url,
                with_login(admin_url, ours, our_password, name),
                admin_url,
                redis_login(redis_url, name, password, number),
                self.folder,
                self.forkservers,
                self.cleaner,
                relay,
            )
            try:
                yield stage
            except (psycopg.Error, redis.RedisError) as error:
                raise CandidateError(
                    f"its database or its Redis do not work as they should: {error}"
                ) from error

    @contextmanager
    def redis_database(self) -> Iterator[str]:
        """The number of an empty Redis database, which is ours until the block ends and is emptied then.

        A lock in a database that no candidate can enter says that it is taken: a key could be removed.
        """
        with psycopg.connect(self.services.postgres_url, autocommit=True) as locks, ExitStack() as stack:
            number, client = self.free_redis_database(locks)
            stack.callback(client.close)
            stack.callback(client.flushdb)
            yield str(number)

    def free_redis_database(self, locks: psycopg.Connection) -> tuple[int, redis.Redis]:
        """An empty database that nobody else has locked."""
        lock = "select pg_try_advisory_lock(hashtext('hofaz9 redis'), %s)"
        for number in range(1, 64):
            client = redis.Redis.from_url(redis_database(self.services.redis_url, number))
            try:
                if locks.execute(lock, (number,)).fetchone() == (True,) and client.dbsize() == 0:
                    return number, client
            except redis.ResponseError:
                break
            client.close()
        raise InfrastructureError("no empty Redis database is left: run FLUSHDB in one of 1 to 15")


class Workshop:
    """What all workbenches share: a folder, the cleaner, and the data sets, which the first of them seeds."""

    def __init__(
        self,
        mode: str,
        cleaner: Cleaner,
        folder: Path,
        seed: Callable[[], Cluster] | None,
        databases: Path | None,
    ) -> None:
        self.mode = mode
        self.cleaner = cleaner
        self.folder = folder
        self.databases = databases
        self.seed = seed
        self.seeded: Cluster | None = None
        self.lock = Lock()

    @contextmanager
    def workbench(self) -> Iterator[Workbench]:
        """New services, which nobody has used; those that are named by URL are the same each time.

        At the end of the block no process, log or file is left of any candidate that was served here.
        """
        with self.lock:
            if self.seed and not self.seeded:
                self.seeded = self.seed()
        with (
            open_services(
                self.mode, cleaner=self.cleaner, folder=self.databases, seeded=self.seeded
            ) as services,
            tempfile.TemporaryDirectory(prefix="bench-", dir=self.folder) as folder,
            ForkServers(self.cleaner) as forkservers,
        ):
            yield Workbench(services, self.cleaner, forkservers, passable(Path(folder)))


@contextmanager
def open_workshop(mode: str = "embedded", sizes: Sequence[int] = ()) -> Iterator[Workshop]:
    """Start the cleaner with a private folder; the end of the block removes all.

    Data sets of these sizes are seeded when they are first needed: for embedded services all at once.
    """

    def fill(url: str) -> None:
        for products in sizes:
            dataset.ensure_template(url, products)

    allow_open_files()
    with ExitStack() as stack:
        stack.enter_context(cleaned())
        cleaner = stack.enter_context(Cleaner())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="hofaz9-run-")))
        cleaner.folder(passable(folder))
        databases = in_memory(sum(sizes) or 2 * dataset.SIZES["standard"])
        seeded = seeded_cluster(cleaner, fill, databases)
        seed = partial(stack.enter_context, seeded) if sizes and mode == "embedded" else None
        yield Workshop(mode, cleaner, folder, seed, databases)


def passable(folder: Path) -> Path:
    """A folder that other users may walk through and not list.

    A candidate whose user is not ours gets at its own catalog so, also where root itself may not read
    everything, as in a container.
    """
    folder.chmod(0o711)
    return folder


@contextmanager
def open_workbench(mode: str = "embedded") -> Iterator[Workbench]:
    """A workshop with one workbench."""
    with open_workshop(mode) as workshop, workshop.workbench() as bench:
        yield bench
