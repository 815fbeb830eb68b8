"""The faults: each is made while clients go on, lasts while its block runs, and is mended at its end."""

import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

import psycopg
import redis

from evaluation.faults.restartable import RestartableServices
from evaluation.machine.addresses import redis_database
from evaluation.services.settings import VALKEY_SETTINGS
from evaluation.serving.logins import create_redis_user
from evaluation.serving.server import Server
from evaluation.serving.workbench import Stage

CANCELLED, SLOW_READERS, SLOW_BYTES = 1_000, 200, 4_096
CLOSED_PORT = 1

Kept = dict[bytes, tuple[int, bytes]]
"""Keys of Redis: their remaining lifetime in ms (0: none), and their dumped value."""


@dataclass(frozen=True, slots=True)
class Scene:
    """What a fault can reach: the services, one candidate's stage on them, and its processes."""

    services: RestartableServices
    stage: Stage
    servers: tuple[Server, ...]

    def administrator(self) -> psycopg.Connection:
        """A connection to Postgres that may do anything."""
        return psycopg.connect(self.services.postgres_url, autocommit=True)

    def redis(self) -> redis.Redis:
        """The candidate's database in Redis, for the administrator."""
        return redis.Redis.from_url(redis_database(self.services.redis_url, int(self.number)))

    @property
    def number(self) -> str:
        """The number of the candidate's database in Redis."""
        return urlsplit(self.stage.redis_url).path.strip("/")

    def end_sessions(self) -> None:
        """Let Postgres end all sessions of the candidate."""
        with self.administrator() as admin:
            admin.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity where usename = %s",
                (self.stage.role,),
            )

    def start_redis(self, kept: Kept) -> None:
        """Start Redis with these keys; it keeps nothing but the candidate's user over a restart."""
        self.services.redis.start()
        login = urlsplit(self.stage.redis_url)
        with self.redis() as client:
            for key, (left_ms, value) in kept.items():
                client.restore(key, left_ms, value)
            create_redis_user(client, self.number, login.username or "", login.password or "")


@contextmanager
def redis_stopped(scene: Scene) -> Iterator[None]:
    """Redis is shut down, and comes back empty."""
    scene.services.redis.stop()
    yield
    scene.start_redis({})


@contextmanager
def redis_killed(scene: Scene) -> Iterator[None]:
    """Redis is killed, and comes back empty."""
    scene.services.redis.kill()
    yield
    scene.start_redis({})


@contextmanager
def redis_silent(scene: Scene) -> Iterator[None]:
    """Redis takes connections and requests, and answers none."""
    scene.services.redis.send(signal.SIGSTOP)
    yield
    scene.services.redis.send(signal.SIGCONT)


@contextmanager
def redis_full(scene: Scene) -> Iterator[None]:
    """Redis takes no writes, because its memory is used up."""
    with scene.redis() as client:
        client.config_set("maxmemory", "1")
        yield
        client.config_set("maxmemory", VALKEY_SETTINGS["maxmemory"])


@contextmanager
def redis_read_only(scene: Scene) -> Iterator[None]:
    """Redis is a replica for some time, and takes no writes."""
    with scene.redis() as client:
        client.execute_command("REPLICAOF", "127.0.0.1", CLOSED_PORT)
        yield
        client.execute_command("REPLICAOF", "NO", "ONE")


@contextmanager
def redis_with_an_old_snapshot(scene: Scene) -> Iterator[None]:
    """Redis is restarted, and has the keys of the beginning of this block again."""
    with scene.redis() as client:
        keys = list(client.scan_iter(count=1_000))
        found = {key: (client.pttl(key), client.dump(key)) for key in keys}
    yield
    scene.services.redis.kill()
    scene.start_redis({key: (max(0, left), value) for key, (left, value) in found.items() if value})


@contextmanager
def redis_hangs_up(scene: Scene) -> Iterator[None]:
    """Redis closes every connection, as it does with those that are idle for long."""
    with scene.redis() as client:
        client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    yield


@contextmanager
def postgres_restarted(scene: Scene) -> Iterator[None]:
    """Postgres is shut down, and started again at the end."""
    scene.services.postgres.stop()
    yield
    scene.services.postgres.start()


@contextmanager
def sessions_ended(scene: Scene) -> Iterator[None]:
    """Postgres ends all sessions of the candidate, as after a failover."""
    scene.end_sessions()
    yield


@contextmanager
def connections_used_up(scene: Scene) -> Iterator[None]:
    """The candidate's role has no connection left: others in the same role hold them all."""
    with ExitStack() as stack:
        scene.end_sessions()
        with suppress(psycopg.OperationalError):
            while True:
                stack.enter_context(psycopg.connect(scene.stage.url))
        yield


@contextmanager
def rows_locked(scene: Scene) -> Iterator[None]:
    """Somebody holds the rows of all products: writers wait, readers do not."""
    with psycopg.connect(scene.stage.admin_url) as holder:
        holder.execute("select id from products for update")
        yield
        holder.rollback()


@contextmanager
def requests_cancelled(scene: Scene) -> Iterator[None]:
    """A thousand clients ask for a product each, and hang up at once."""
    for number in range(CANCELLED):
        sent(scene.servers[number % len(scene.servers)], f"/products/{number + 1}").close()
    yield


@contextmanager
def slow_readers(scene: Scene) -> Iterator[None]:
    """Two hundred clients ask for a large page, and take its beginning only."""
    with ExitStack() as stack:
        for number in range(SLOW_READERS):
            server = scene.servers[number % len(scene.servers)]
            stack.enter_context(sent(server, "/products?limit=100")).recv(SLOW_BYTES)
        yield


def sent(server: Server, path: str) -> socket.socket:
    """A connection on which a request was sent; nothing of the answer is read."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SLOW_BYTES)
    client.settimeout(30)
    client.connect(("127.0.0.1", server.port))
    client.sendall(f"GET {path} HTTP/1.1\r\nHost: catalog\r\n\r\n".encode())
    return client


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault: how long it lasts, how long writes of another process may be missing, what may be refused."""

    make: Callable[[Scene], AbstractContextManager[None]]
    lasts_s: float = 3.0
    grace_s: float = 0.0
    refuses: bool = False

    @property
    def name(self) -> str:
        """What happens, in words."""
        return self.make.__name__.replace("_", " ")


TOLD_S = 1.0
"""Where Redis fails, other processes hear of a write by way of Postgres, this much later at most."""
FAULTS = (
    Fault(redis_stopped, grace_s=TOLD_S),
    Fault(redis_killed, grace_s=TOLD_S),
    Fault(redis_silent, grace_s=TOLD_S),
    Fault(redis_full, grace_s=TOLD_S),
    Fault(redis_read_only, grace_s=TOLD_S),
    Fault(redis_with_an_old_snapshot, grace_s=TOLD_S),
    Fault(redis_hangs_up, lasts_s=1.0),
    Fault(postgres_restarted, refuses=True),
    Fault(sessions_ended, lasts_s=1.0, refuses=True),
    Fault(connections_used_up, refuses=True),
    Fault(rows_locked),
    Fault(requests_cancelled),
    Fault(slow_readers),
)


@contextmanager
def lasting(fault: Fault, scene: Scene) -> Iterator[None]:
    """A fault from its beginning to its end; the block runs in between."""
    with fault.make(scene):
        started = time.monotonic()
        yield
        time.sleep(max(0.0, fault.lasts_s - (time.monotonic() - started)))
