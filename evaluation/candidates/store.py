"""The store of measurements. The key is a digest of all they depend on, so a stale one is never found."""

import json
import os
import platform
from contextlib import suppress
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path

from evaluation.machine.addresses import place_of, redis_database
from evaluation.records import Measured
from evaluation.restored import measured_from

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / ".hofaz9_cache"


def harness_digest() -> str:
    """The digest of harness, suite, dataset, criteria and dependencies."""
    digest = sha256()
    for folder in (ROOT / "evaluation", ROOT / "tests"):
        for path in sorted(folder.rglob("*")):
            if path.suffix in (".py", ".sql", ".json") and "reports" not in path.parts:
                digest.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    for name in ("requirements.txt", "pyproject.toml", "instances/criteria.toml"):
        digest.update((ROOT / name).read_bytes())
    return digest.hexdigest()


def machine_digest(services: str) -> str:
    """The digest of the machine, its Python, and the servers named by URL."""
    servers = running_servers() if services == "url" else ()
    machine = (platform.node(), platform.machine(), platform.python_version(), os.cpu_count(), servers)
    return sha256(repr(machine).encode()).hexdigest()


def running_servers() -> tuple[tuple[str, str], ...]:
    """Host and port of the servers named by URL."""
    postgres_url, redis_url = os.environ.get("DATABASE_URL"), os.environ.get("REDIS_URL")
    urls = [postgres_url, redis_database(redis_url, 0) if redis_url else None]
    return tuple(place_of(url) for url in urls if url)


def key(conditions: dict[str, str], with_load: bool, content: str) -> str:
    """The key of a measurement: a digest of everything it depends on."""
    return sha256(repr((sorted(conditions.items()), with_load, content)).encode()).hexdigest()


def recall(key: str) -> Measured | None:
    """The measurement with this key; None when there is none."""
    try:
        return measured_from(json.loads((FOLDER / f"{key}.json").read_text()))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def keep(key: str, measured: Measured) -> None:
    """Store a measurement; the file is renamed into place, so no reader sees half of it.

    Where nothing can be written, as in a read-only checkout, nothing is stored.
    """
    part = FOLDER / f"{key}.{os.getpid()}.part"
    with suppress(OSError):
        FOLDER.mkdir(parents=True, exist_ok=True)
        part.write_text(json.dumps(asdict(measured)))
        part.replace(FOLDER / f"{key}.json")
