"""Measurements kept by the content of everything that they depend on: never stale, never asked twice."""

import json
import os
import platform
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from urllib.parse import urlsplit

from evaluation.records import Measured, measured_from

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "evaluation" / "reports" / "store"


def harness_digest() -> str:
    """Digest of harness, suite, dataset and requirements: how candidates are measured."""
    digest = sha256()
    for folder in (ROOT / "evaluation", ROOT / "tests"):
        for path in sorted(folder.rglob("*")):
            if path.suffix in (".py", ".sql", ".json") and "reports" not in path.parts:
                digest.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    for name in ("requirements.txt", "pyproject.toml"):
        digest.update((ROOT / name).read_bytes())
    return digest.hexdigest()


def machine_digest(services: str) -> str:
    """Digest of where it is done: the machine, its Python, and servers that are not our own."""
    urls = [os.environ.get(name, "") for name in ("DATABASE_URL", "REDIS_URL") if services == "url"]
    servers = [(parts.hostname, parts.port) for parts in map(urlsplit, urls)]
    machine = (platform.node(), platform.machine(), platform.python_version(), os.cpu_count(), servers)
    return sha256(repr(machine).encode()).hexdigest()


def key(conditions: dict[str, str], with_load: bool, content: str) -> str:
    """Under which name a measurement is kept: everything it depends on."""
    return sha256(repr((sorted(conditions.items()), with_load, content)).encode()).hexdigest()


def recall(key: str) -> Measured | None:
    """What was measured under this key, if anything was."""
    try:
        return measured_from(json.loads((FOLDER / f"{key}.json").read_text()))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def keep(key: str, measured: Measured) -> None:
    """Remember a measurement; a half-written one is never seen."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    part = FOLDER / f"{key}.{os.getpid()}.part"
    part.write_text(json.dumps(asdict(measured)))
    part.replace(FOLDER / f"{key}.json")
