"""Notices a service that does not last: nothing seen with it counts, and waiting for it is in vain."""

import os
import select
import signal
import socket
import threading
from contextlib import suppress
from types import TracebackType
from typing import Any

import psycopg
import redis

from evaluation.errors import InfrastructureError

KEEPALIVE = {socket.TCP_KEEPIDLE: 5, socket.TCP_KEEPINTVL: 5, socket.TCP_KEEPCNT: 3}
"""A service whose host vanished is noticed after 20 s."""


class Watch:
    """Holds an idle connection to each service; when one breaks for good, the main thread is interrupted.

    At the end of the block, however it comes, InfrastructureError when a service went or came back.
    """

    def __init__(self, postgres_url: str, redis_url: str) -> None:
        self.postgres_url = postgres_url
        self.redis_url = redis_url
        self.first = self.identity()
        self.trouble: str | None = None
        self.bell, self.ringer = socket.socketpair()
        self.thread = threading.Thread(target=self.run, name="watch", daemon=True)

    def identity(self) -> dict[str, object]:
        """When this Postgres started, and the name of this run of Redis."""
        with psycopg.connect(self.postgres_url, connect_timeout=5) as connection:
            row = connection.execute("select pg_postmaster_start_time()").fetchone()
        with redis.Redis.from_url(self.redis_url, socket_connect_timeout=5) as client:
            return {"Postgres": row, "Redis": client.info("server")["run_id"]}

    def what_changed(self) -> str | None:
        """The service that is not the one of the beginning any more, and why."""
        try:
            now = self.identity()
        except (psycopg.Error, redis.RedisError) as error:
            return f"a service stopped in the middle, so nothing that was seen counts: {error}"
        for name, run in now.items():
            if run != self.first[name]:
                return f"{name} was started again in the middle, so nothing that was seen counts"
        return None

    def run(self) -> None:
        """Wait for the bell or a broken connection; one that can be made again is no trouble."""
        while not self.bell_rang():
            if trouble := self.what_changed():
                self.trouble = trouble
                os.kill(os.getpid(), signal.SIGINT)
                return

    def bell_rang(self) -> bool:
        """Wait on idle connections, which cost the services nothing; True when the block has ended."""
        idle, interval, count = KEEPALIVE.values()
        postgres: dict[str, Any] = {
            "keepalives_idle": idle,
            "keepalives_interval": interval,
            "keepalives_count": count,
        }
        options: dict[str, Any] = {"socket_keepalive": True, "socket_keepalive_options": KEEPALIVE}
        try:
            with (
                psycopg.connect(self.postgres_url, connect_timeout=5, **postgres) as connection,
                redis.Redis.from_url(self.redis_url, socket_connect_timeout=5, **options) as client,
            ):
                line = client.connection_pool.get_connection()
                ready, _, _ = select.select([self.bell, connection, line._sock], [], [])
        except (psycopg.Error, redis.RedisError):
            return False
        # Where a service hangs up again and again, look once a second.
        return self.bell in ready or bool(select.select([self.bell], [], [], 1.0)[0])

    def end(self) -> None:
        """Stop watching."""
        # The watch may have interrupted us just now: what it has to say is in `trouble`.
        with suppress(KeyboardInterrupt):
            self.ringer.close()
            self.thread.join()
            self.bell.close()

    def __enter__(self) -> "Watch":
        self.thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()
        if not self.trouble and (error is None or isinstance(error, Exception)):
            self.trouble = self.what_changed()
        if self.trouble:
            raise InfrastructureError(self.trouble) from error
