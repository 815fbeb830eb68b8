"""The folder of a candidate: its check, its contents, and private copies of it."""

import shutil
from hashlib import sha256
from pathlib import Path

from evaluation.errors import CandidateError

REQUIRED_MODULES = ("__init__.py", "main.py", "database.py")
LARGEST_BYTES = 50_000_000


def checked_directory(directory: Path) -> Path:
    """The folder as an absolute path; CandidateError when it cannot be a candidate."""
    if not directory.is_dir():
        raise CandidateError(f"there is no candidate folder {directory}")
    missing = [name for name in REQUIRED_MODULES if not (directory / name).is_file()]
    if missing:
        raise CandidateError(
            f"{directory} is not a candidate: it has no {', '.join(missing)} "
            "(see 'The candidate contract' in README.md)"
        )
    return directory.resolve()


def copied(folder: Path, into: Path) -> Path:
    """Copy a folder without git's files and Python's caches."""
    return Path(shutil.copytree(folder, into, ignore=shutil.ignore_patterns("__pycache__", ".git")))


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a folder, without links and caches; CandidateError when the files are too large."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink() and "__pycache__" not in path.parts:
            found[path.relative_to(folder).as_posix()] = path.read_bytes()
    if sum(map(len, found.values())) > LARGEST_BYTES:
        raise CandidateError(f"{folder} holds more than {LARGEST_BYTES // 1_000_000} MB")
    return found


def content_digest(folder: Path) -> str:
    """The digest of a candidate's files."""
    digest = sha256()
    for name, body in contents(folder).items():
        digest.update(name.encode() + b"\0" + body + b"\0")
    return digest.hexdigest()
