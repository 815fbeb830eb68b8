"""A service that can be stopped, killed, stood still and started again, always on the same port."""

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psycopg

from evaluation.services import embedded
from evaluation.services.cleaner import Cleaner
from evaluation.services.program import Service, free_port, launch, stop, wait_for


class Restartable:
    """A server program on one port; it runs from the beginning, and is stopped by `close`."""

    def __init__(
        self,
        service: Service,
        drop: dict[str, Any],
        cleaner: Cleaner,
        again: Callable[[int], None] | None = None,
    ) -> None:
        self.port = free_port()
        self.drop, self.cleaner = drop, cleaner
        self.service = service
        self.process = self.launched()
        if again:
            self.service = replace(service, answers=lambda port, _: again(port))

    def launched(self) -> subprocess.Popen[bytes]:
        """Start the program, and wait until it answers."""
        process = launch(self.service, self.port, self.drop)
        self.entry = self.cleaner.process(process.pid, self.service.stop_signal)
        wait_for(process, self.port, self.service)
        return process

    def start(self) -> None:
        """Start it again, after `stop` or `kill`."""
        self.process = self.launched()

    def stop(self) -> None:
        """Stop it as an administrator does."""
        stop(self.process, self.service.stop_signal)
        self.cleaner.withdraw(self.entry)

    def kill(self) -> None:
        """Kill it with all its processes, as a machine does that runs out of memory."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.cleaner.withdraw(self.entry)

    def send(self, number: signal.Signals) -> None:
        """Send its main process a signal: SIGSTOP lets it stand still, SIGCONT go on."""
        self.process.send_signal(number)

    def close(self) -> None:
        """Stop it, unless it has ended."""
        if self.process.poll() is None:
            self.send(signal.SIGCONT)
            self.stop()


@dataclass(frozen=True, slots=True)
class RestartableServices:
    """Postgres and Redis, and the URLs of their administrators."""

    postgres: Restartable
    postgres_url: str
    redis: Restartable
    redis_url: str


@contextmanager
def restartable_services(folder: Path, cleaner: Cleaner) -> Iterator[RestartableServices]:
    """New, empty services from the wheels until the block ends."""
    account = embedded.account_for(folder)
    service, cluster = embedded.postgres_service(folder, account)

    def answers(port: int) -> None:
        psycopg.connect(embedded.postgres_url(port, cluster.password), connect_timeout=2).close()

    with ExitStack() as stack:
        postgres = Restartable(service, account.drop, cleaner, answers)
        stack.callback(postgres.close)
        service, password = embedded.valkey_service(folder, account)
        valkey = Restartable(service, account.drop, cleaner)
        stack.callback(valkey.close)
        yield RestartableServices(
            postgres,
            embedded.postgres_url(postgres.port, cluster.password),
            valkey,
            embedded.valkey_url(valkey.port, password),
        )
