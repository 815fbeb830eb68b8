"""Runs a server program on a free port of 127.0.0.1, waits until it answers, and always stops it."""

import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import redis

from evaluation.errors import InfrastructureError
from evaluation.services.cleaner import Cleaner

START_DEADLINE_S = 30.0
STOP_DEADLINE_S = 10.0
PORT_ATTEMPTS = 5


def free_port() -> int:
    """A port of 127.0.0.1 on which no process listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


@dataclass(frozen=True, slots=True)
class Service:
    """How to start a server on a port, how to stop it, where it logs, and what it reads from its stdin.

    `answers` takes the port and the pid; it raises an error until the server answers.
    """

    command: Callable[[int], list[str]]
    log: Path
    stop_signal: signal.Signals
    answers: Callable[[int, int], None]
    stdin: str = ""


class PortTaken(Exception):
    """Another process took the port before our server could."""


@contextmanager
def running(
    service: Service, drop: dict[str, Any], cleaner: Cleaner, ports: Iterable[int] | None = None
) -> Iterator[int]:
    """Run a service until the block ends; yields its port once it answers.

    `drop` holds the arguments of Popen that choose the user. When a port is taken, the next one is tried.
    """
    for port in ports or (free_port() for _ in range(PORT_ATTEMPTS)):
        process = launch(service, port, drop)
        entry = cleaner.process(process.pid, service.stop_signal)
        try:
            wait_for(process, port, service)
            yield port
            return
        except PortTaken:
            continue
        finally:
            stop(process, service.stop_signal)
            cleaner.withdraw(entry)
    raise InfrastructureError(f"all ports tried for {service.log.stem} were taken: run the command again")


def launch(service: Service, port: int, drop: dict[str, Any]) -> subprocess.Popen[bytes]:
    """Start the process of a service in its own session."""
    with service.log.open("wb") as output:
        process = subprocess.Popen(
            service.command(port),
            cwd="/",
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            start_new_session=True,
            **drop,
        )
    assert process.stdin is not None
    with process.stdin:
        process.stdin.write(service.stdin.encode())
    return process


def stop(process: subprocess.Popen[bytes], first_signal: signal.Signals) -> None:
    """Stop a process with its own signal; after the deadline with SIGQUIT, which is safe for Postgres too."""
    process.send_signal(first_signal)
    try:
        process.wait(STOP_DEADLINE_S)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGQUIT)
        process.wait()


def wait_for(process: subprocess.Popen[bytes], port: int, service: Service) -> None:
    """Poll until the service answers."""
    deadline = time.monotonic() + START_DEADLINE_S
    while True:
        try:
            return service.answers(port, process.pid)
        except (psycopg.Error, redis.RedisError, OSError) as error:
            if process.poll() is not None or time.monotonic() > deadline:
                raise not_started(service, error) from error
        time.sleep(0.02)


def not_started(service: Service, error: Exception) -> Exception:
    """The exception for a service that does not answer, with the end of its log."""
    text = service.log.read_text(errors="replace")
    if "Address already in use" in text:
        return PortTaken()
    last = "\n".join(text.splitlines()[-20:])
    return InfrastructureError(
        f"{service.log.stem} does not start ({error}); free memory, or disk space in the temporary "
        f"folder, or use --services url; the end of its log:\n{last}"
    )
