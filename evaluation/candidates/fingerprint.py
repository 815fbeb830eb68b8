"""Whether files stayed what they were while a candidate was served."""

from hashlib import sha256
from pathlib import Path

ROOT = Path(__file__).parents[2]
OURS = ("evaluation", "tests", "instances", "patches", "repository_before", "repository_after")
"""Folders that a candidate has no business with."""


def fingerprint(candidate: Path, root: Path = ROOT) -> dict[Path, str]:
    """Digests of a candidate's files and of ours; reports and what Python compiles are left out."""
    folders = [candidate, *(root / name for name in OURS)]
    return {
        path: sha256(path.read_bytes()).hexdigest()
        for folder in folders
        for path in folder.rglob("*")
        if not {"__pycache__", "reports"} & set(path.relative_to(folder).parts) and path.is_file()
    }


def changed(before: dict[Path, str], after: dict[Path, str]) -> list[Path]:
    """Files that are not what they were, or are new, or gone."""
    return sorted(path for path in before | after if before.get(path) != after.get(path))
