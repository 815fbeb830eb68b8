"""Postgres and Redis in containers of the local Docker engine; the containers are removed afterwards.

The settings are those of the embedded services. Ports are published to the host, so both services require
a password. `python -m evaluation.services.containers NAME` removes a container.
"""

import os
import secrets
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import psycopg
import redis

from evaluation.errors import InfrastructureError
from evaluation.services.administrator import take_over
from evaluation.services.cleaner import Cleaner
from evaluation.services.settings import POSTGRES_SETTINGS, VALKEY_SETTINGS

POSTGRES_IMAGE = "postgres:18-alpine"
REDIS_IMAGE = "redis:8-alpine"
START_DEADLINE_S = 60.0


@contextmanager
def docker_services(cleaner: Cleaner) -> Iterator[tuple[str, str]]:
    """The URLs of Postgres (as administrator) and of Redis; both run until the block ends."""
    password = secrets.token_hex(16)
    environment = {
        "POSTGRES_USER": "hofaz9",
        "POSTGRES_PASSWORD": password,
        "POSTGRES_DB": "postgres",
        "POSTGRES_INITDB_ARGS": "--locale-provider=builtin --builtin-locale=C.UTF-8",
    }
    postgres = ["postgres", *(f"-c{name}={value}" for name, value in POSTGRES_SETTINGS.items())]
    valkey = ["redis-server", "--requirepass", password]
    valkey += [word for name, value in VALKEY_SETTINGS.items() for word in (f"--{name}", value)]
    with (
        container(POSTGRES_IMAGE, 5432, postgres, environment, cleaner) as postgres_address,
        container(REDIS_IMAGE, 6379, valkey, {}, cleaner) as redis_address,
    ):
        postgres_url = f"postgresql://hofaz9:{password}@{postgres_address}/postgres"
        redis_url = f"redis://:{password}@{redis_address}"
        wait_for(POSTGRES_IMAGE, lambda: prepare(postgres_url))
        wait_for(REDIS_IMAGE, lambda: ping(redis_url))
        yield postgres_url, redis_url


@contextmanager
def container(
    image: str, port: int, command: list[str], environment: dict[str, str], cleaner: Cleaner
) -> Iterator[str]:
    """Run a container until the block ends; yields the address (host:port) of its published port."""
    try:
        from docker.errors import DockerException  # type: ignore[import-untyped]
        from testcontainers.core.config import testcontainers_config
        from testcontainers.core.container import DockerContainer
    except ImportError as error:
        raise InfrastructureError(
            f"--services docker needs a package: pip install testcontainers ({error})"
        ) from error

    # Our cleaner removes containers that outlive the harness. The cleaner of testcontainers (ryuk) would
    # need the socket of the engine inside a container.
    testcontainers_config.ryuk_disabled = True
    name = f"hofaz9-{secrets.token_hex(4)}"
    entry = cleaner.command([sys.executable, "-m", "evaluation.services.containers", name])
    try:
        box = DockerContainer(image, name=name, env=environment, shm_size="256m")
    except (DockerException, OSError) as error:
        raise InfrastructureError(no_engine(error)) from error
    try:
        box.with_command(command).with_exposed_ports(port).start()
        address = f"{box.get_container_host_ip()}:{box.get_exposed_port(port)}"
    except (DockerException, OSError) as error:
        raise InfrastructureError(f"Docker cannot start {image}: {error}") from error
    try:
        yield address
    finally:
        box.stop()
        cleaner.withdraw(entry)


def no_engine(error: Exception) -> str:
    """The message for a Docker engine that does not answer, with what to do about it."""
    place = os.environ.get("DOCKER_HOST", "its usual place")
    return (
        f"no Docker engine answers at {place} ({error}): start Docker or set DOCKER_HOST, "
        "or use --services embedded, which needs none"
    )


def remove_container(name: str) -> None:
    """Remove a container with its volumes; ignore an engine that is gone by now."""
    from docker.errors import DockerException
    from testcontainers.core.docker_client import DockerClient

    with suppress(DockerException, OSError):
        DockerClient().client.containers.get(name).remove(force=True, v=True)


def wait_for(image: str, answers: Callable[[], object]) -> None:
    """Poll until a service answers."""
    deadline = time.monotonic() + START_DEADLINE_S
    while True:
        try:
            answers()
        except (psycopg.Error, redis.RedisError) as error:
            if time.monotonic() > deadline:
                raise InfrastructureError(f"the container of {image} does not answer: {error}") from error
            time.sleep(0.1)
        else:
            return


def prepare(url: str) -> None:
    """Make Postgres ready, once it answers."""
    with psycopg.connect(url, connect_timeout=2, autocommit=True) as connection:
        take_over(connection)


def ping(url: str) -> None:
    """Raise redis.RedisError unless Redis answers."""
    with redis.Redis.from_url(url, socket_connect_timeout=2) as client:
        client.ping()


if __name__ == "__main__":
    remove_container(sys.argv[1])
