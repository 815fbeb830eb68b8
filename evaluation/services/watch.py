"""Watches the services: when one stops or restarts, the results do not count, so the evaluation ends."""

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
"""The loss of a service's host is noticed after 20 s."""


class Watch:
    """Holds an idle connection to each service, and interrupts the main thread when a service is lost.

    The end of the block raises InfrastructureError when a service has stopped or restarted.
    """

    def __init__(self, postgres_url: str, redis_url: str) -> None:
        self.postgres_url = postgres_url
        self.redis_url = redis_url
        self.first = self.identity()
        self.failure: str | None = None
        self.stop_reader, self.stop_writer = socket.socketpair()
        self.thread = threading.Thread(target=self.run, name="watch", daemon=True)

    def identity(self) -> dict[str, object]:
        """What identifies one run of each service: the start time of Postgres, the run id of Redis."""
        with psycopg.connect(self.postgres_url, connect_timeout=5) as connection:
            row = connection.execute("select pg_postmaster_start_time()").fetchone()
        with redis.Redis.from_url(self.redis_url, socket_connect_timeout=5) as client:
            return {"Postgres": row, "Redis": client.info("server")["run_id"]}

    def what_changed(self) -> str | None:
        """The message that a service stopped or restarted; None when both are as they were at the start."""
        try:
            now = self.identity()
        except (psycopg.Error, redis.RedisError) as error:
            return f"a service stopped in the middle of the evaluation, so its results do not count: {error}"
        for name, run in now.items():
            if run != self.first[name]:
                return f"{name} was restarted in the middle of the evaluation, so its results do not count"
        return None

    def run(self) -> None:
        """Wait for the end of the block or the loss of a service; a connection that reopens is no failure."""
        while not self.is_stopped():
            if failure := self.what_changed():
                self.failure = failure
                os.kill(os.getpid(), signal.SIGINT)
                return

    def is_stopped(self) -> bool:
        """Wait until a connection breaks or the block ends; True when the block has ended."""
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
                redis_connection = client.connection_pool.get_connection()
                sources = [self.stop_reader, connection, redis_connection._sock]
                ready, _, _ = select.select(sources, [], [])
        except (psycopg.Error, redis.RedisError):
            return False
        # Wait a second before the next try: a service may close every connection.
        return self.stop_reader in ready or bool(select.select([self.stop_reader], [], [], 1.0)[0])

    def end(self) -> None:
        """Stop watching."""
        # The thread may interrupt us at this moment; the reason is then in `failure`.
        with suppress(KeyboardInterrupt):
            self.stop_writer.close()
            self.thread.join()
            self.stop_reader.close()

    def __enter__(self) -> "Watch":
        self.thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()
        if not self.failure and (error is None or isinstance(error, Exception)):
            self.failure = self.what_changed()
        if self.failure:
            raise InfrastructureError(self.failure) from error
