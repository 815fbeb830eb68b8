"""Digests of files, to find those that changed while a candidate was served."""

from hashlib import sha256
from pathlib import Path

ROOT = Path(__file__).parents[2]
OURS = ("evaluation", "tests", "instances", "patches", "repository_before", "repository_after")
"""Folders that a candidate must not change."""


def fingerprint(candidate: Path, root: Path = ROOT) -> dict[Path, str]:
    """Digests of the candidate's files and of ours, without reports and bytecode."""
    folders = [candidate, *(root / name for name in OURS)]
    return {
        path: sha256(path.read_bytes()).hexdigest()
        for folder in folders
        for path in folder.rglob("*")
        if not {"__pycache__", "reports"} & set(path.relative_to(folder).parts) and path.is_file()
    }


def changed(before: dict[Path, str], after: dict[Path, str]) -> list[Path]:
    """Files that were changed, added or deleted."""
    return sorted(path for path in before | after if before.get(path) != after.get(path))
