"""Services in Docker: the settings, the cleanup, and the message when no engine answers."""

import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import psycopg
import pytest
import redis
import yaml  # type: ignore[import-untyped]

from evaluation.errors import InfrastructureError
from evaluation.services.cleaner import Cleaner
from evaluation.services.containers import POSTGRES_IMAGE, REDIS_IMAGE
from evaluation.services.services import Services, open_services
from evaluation.services.settings import POSTGRES_SETTINGS, VALKEY_SETTINGS

ROOT = Path(__file__).parents[2]
SERVICES = ("evaluation", "test-before", "test-after", "app-before", "app-after")
CHILD = """
import time
from evaluation.services.cleaner import Cleaner
from evaluation.services.services import open_services

with Cleaner() as cleaner, open_services("docker", cleaner=cleaner):
    print("ready", flush=True)
    time.sleep(60)
"""


def engine_answers() -> bool:
    """Whether containers can be started here."""
    command = ["docker", "image", "inspect", POSTGRES_IMAGE, REDIS_IMAGE]
    return shutil.which("docker") is not None and not subprocess.run(command, capture_output=True).returncode


def compose_services() -> dict[str, Any]:
    """The services as `docker compose` reads them, or as the file names them where it is not installed."""
    compose = ["docker", "compose"]
    if shutil.which("docker") and not subprocess.run([*compose, "version"], capture_output=True).returncode:
        command = [*compose, "config", "--format", "json"]
        text: str | bytes = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout
    else:
        text = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    services: dict[str, Any] = yaml.safe_load(text)["services"]
    return {name: service for name, service in services.items() if "profiles" not in service}


needs_engine = pytest.mark.skipif(
    not engine_answers(), reason="no Docker engine that has the images of Postgres and Redis answers here"
)


def containers() -> set[str]:
    """The names of our containers, running or not."""
    listing = ["docker", "ps", "--all", "--filter", "name=hofaz9-", "--format", "{{.Names}}"]
    return set(subprocess.run(listing, capture_output=True, text=True, check=True).stdout.split())


def settings(services: Services) -> tuple[dict[str, str], dict[str, str]]:
    """The current values of the settings that the embedded services are given."""
    with psycopg.connect(services.postgres_url) as connection:
        rows = connection.execute("select name, setting, unit from pg_settings").fetchall()
    found = {name.lower(): f"{value}{unit or ''}" for name, value, unit in rows}
    postgres = {name: found[name] for name in POSTGRES_SETTINGS}
    with redis.Redis.from_url(services.redis_url, decode_responses=True) as client:
        return postgres, {name: client.config_get(name)[name] for name in VALKEY_SETTINGS}


def test_without_an_engine_there_is_no_verdict_and_a_clear_message(tmp_path: Path) -> None:
    command = [sys.executable, "evaluation/evaluation.py", "--services", "docker", "--out", str(tmp_path)]
    environment = {"DOCKER_HOST": f"unix://{tmp_path}/missing.sock", "PATH": "/usr/bin:/bin"}

    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)

    assert done.returncode == 2
    assert "no Docker engine answers at unix://" in done.stderr
    assert "--services embedded" in done.stderr
    assert "Traceback" not in done.stderr


@needs_engine
def test_containers_run_with_the_settings_of_the_embedded_services() -> None:
    with Cleaner() as cleaner:
        with open_services("docker", cleaner=cleaner) as services:
            in_docker = settings(services)
        with open_services("embedded", cleaner=cleaner) as services:
            embedded = settings(services)

    assert in_docker == embedded


@needs_engine
def test_a_killed_harness_leaves_no_container() -> None:
    before = containers()
    with subprocess.Popen([sys.executable, "-c", CHILD], cwd=ROOT, stdout=subprocess.PIPE) as harness:
        assert harness.stdout is not None
        assert harness.stdout.readline() == b"ready\n"
        assert len(containers() - before) == 2
        harness.kill()

    deadline = time.monotonic() + 20
    while containers() - before and time.monotonic() < deadline:
        time.sleep(0.1)
    assert containers() - before == set()


@needs_engine
def test_a_service_that_is_killed_interrupts_the_evaluation() -> None:
    started = time.monotonic()
    with Cleaner() as cleaner, pytest.raises(InfrastructureError, match="stopped in the middle"):
        kill_a_service_and_wait(cleaner)

    assert time.monotonic() - started < 30


def kill_a_service_and_wait(cleaner: Cleaner) -> None:
    """Kill a service, then wait in the main thread, as an evaluation waits for its suites."""
    before = containers()
    with open_services("docker", cleaner=cleaner):
        kill = ["docker", "kill", min(containers() - before)]
        subprocess.run(kill, capture_output=True, check=True)
        threading.Event().wait(60)


def test_compose_lists_the_services_that_readers_look_for_and_starts_the_evaluation_alone() -> None:
    services = compose_services()

    started = {name for name, service in services.items() if service.get("scale", 1)}
    assert set(services) == {*SERVICES, "postgres", "redis"}
    assert started == {"evaluation", "postgres", "redis"}


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_of_compose_builds_the_image_and_has_the_running_services(name: str) -> None:
    service = compose_services()[name]

    assert service["build"]["target"] == "evaluation"
    assert service["environment"]["HOFAZ9_SERVICES"] == "url"
    assert service["environment"].get("REPO_PATH") == ("repository_before" if name == "test-before" else None)
    if name.startswith("app-"):
        assert service["command"] == [f"repository_{name.removeprefix('app-')}"]


def test_compose_runs_the_services_with_the_settings_of_the_embedded_ones() -> None:
    services = compose_services()

    postgres = dict(word.removeprefix("-c").split("=", 1) for word in services["postgres"]["command"][1:])
    words = services["redis"]["command"][1:]
    valkey = {name.removeprefix("--"): value for name, value in zip(words[::2], words[1::2], strict=True)}

    assert postgres == POSTGRES_SETTINGS
    assert valkey == VALKEY_SETTINGS
    assert services["postgres"]["image"] == POSTGRES_IMAGE
    assert services["redis"]["image"] == REDIS_IMAGE
