"""The store of measurements. The key is a digest of all they depend on, so a stale one is never found."""

import gzip
import json
import os
import platform
from contextlib import suppress
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from evaluation.machine.addresses import place_of, redis_database
from evaluation.records import Measured
from evaluation.restored import measured_from

ROOT = Path(__file__).parents[2]
FOLDER = Path(os.environ.get("HOFAZ9_CACHE") or ROOT / ".hofaz9_cache").absolute()

GRADINGS = "gradings"
"""The folder, inside of that, of gradings that other machines made: each holds both sides."""


@dataclass(frozen=True, slots=True)
class Graded:
    """A report that a worker made, and how long all of its work on that submission took."""

    worker: str
    seconds: float
    report: dict[str, Any]


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


def keep(key: str, measured: Measured, folder: Path | None = None) -> None:
    """Store a measurement; the file is renamed into place, so no reader sees half of it.

    Where nothing can be written, as in a read-only checkout, nothing is stored.
    """
    with suppress(OSError):
        stored((folder or FOLDER) / f"{key}.json", json.dumps(asdict(measured)).encode())


def recall_grading(key: str) -> Graded | None:
    """The grading with this key that a worker sent; None when there is none."""
    try:
        return grading_from(FOLDER / GRADINGS / f"{key}.json.gz")
    except (OSError, EOFError, ValueError, TypeError):
        return None


def keep_grading(key: str, grading: Graded) -> None:
    """Store a grading, as `keep` does: whole, or where nothing can be written not at all."""
    with suppress(OSError):
        stored(FOLDER / GRADINGS / f"{key}.json.gz", gzip.compress(json.dumps(asdict(grading)).encode()))


def grading_from(path: Path) -> Graded:
    """Read a stored grading."""
    return Graded(**json.loads(gzip.decompress(path.read_bytes())))


def stored(path: Path, body: bytes) -> None:
    """Write a file of the store."""
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    path.parent.mkdir(parents=True, exist_ok=True)
    part.write_bytes(body)
    part.replace(path)
