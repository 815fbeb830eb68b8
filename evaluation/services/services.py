"""Postgres and Redis for an evaluation: embedded, in containers, or running servers named by URL."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from evaluation.errors import UsageError
from evaluation.services.by_url import running_services
from evaluation.services.cleaner import Cleaner
from evaluation.services.containers import docker_services
from evaluation.services.embedded import Cluster, embedded_services
from evaluation.services.watch import Watch

MODES = ("embedded", "docker", "url")


@dataclass(frozen=True, slots=True)
class Services:
    """The URLs of both services (Postgres as administrator), and the mode that provides them."""

    postgres_url: str
    redis_url: str
    mode: str


@contextmanager
def open_services(
    mode: str = "embedded", *, cleaner: Cleaner, folder: Path | None = None, seeded: Cluster | None = None
) -> Iterator[Services]:
    """Provide the services of a mode until the block ends.

    Embedded services keep their files in `folder`; Postgres starts on a copy of `seeded`, if that is given.

    Raises InfrastructureError when a service stops before that, whatever else goes wrong in the block.
    """
    with (
        started_services(mode, cleaner, folder, seeded) as services,
        Watch(services.postgres_url, services.redis_url),
    ):
        yield services


@contextmanager
def started_services(
    mode: str, cleaner: Cleaner, folder: Path | None, seeded: Cluster | None
) -> Iterator[Services]:
    """Start the services of a mode; in the mode `url` they are only checked."""
    if mode == "url":
        yield Services(*running_services(), mode)
    elif mode == "docker":
        with docker_services(cleaner) as (postgres_url, redis_url):
            yield Services(postgres_url, redis_url, mode)
    elif mode == "embedded":
        with tempfile.TemporaryDirectory(prefix="hofaz9-", dir=folder, ignore_cleanup_errors=True) as name:
            cleaner.folder(Path(name))
            with embedded_services(Path(name), cleaner, seeded) as (postgres_url, redis_url):
                yield Services(postgres_url, redis_url, mode)
    else:
        raise UsageError(f"unknown services mode {mode!r}: use one of {', '.join(MODES)}")
