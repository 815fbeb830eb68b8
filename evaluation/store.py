"""Measurements kept by the content of everything that they depend on: never stale, never asked twice."""

import json
import os
import platform
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path

from evaluation.records import Measured, measured_from
from evaluation.runtime.patches import contents

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "evaluation" / "reports" / "store"


def harness_key(services: str, size: str, with_load: bool) -> str:
    """Digest of harness, suite, dataset, requirements, machine and the way they are used."""
    digest = sha256()
    for folder in (ROOT / "evaluation", ROOT / "tests"):
        for path in sorted(folder.rglob("*")):
            if path.suffix in (".py", ".sql", ".json") and "reports" not in path.parts:
                digest.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    digest.update((ROOT / "requirements.txt").read_bytes())
    machine = (platform.node(), platform.machine(), platform.python_version(), os.cpu_count())
    digest.update(repr((machine, services, size, with_load)).encode())
    return digest.hexdigest()


def candidate_key(harness: str, folder: Path) -> str:
    """Digest of a candidate under a harness."""
    digest = sha256(harness.encode())
    for name, body in contents(folder).items():
        digest.update(name.encode() + b"\0" + body + b"\0")
    return digest.hexdigest()


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
