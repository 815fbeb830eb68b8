"""The folder of a candidate: which one is meant, its check, its contents, and private copies of it."""

import os
import shutil
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from evaluation.errors import CandidateError, UsageError

REQUIRED_MODULES = ("__init__.py", "main.py", "database.py")
LARGEST_BYTES = 50_000_000
MOST_ENTRIES = 10_000
NOT_SERVED = ("__pycache__", ".git")
"""Names that are never copied, whatever they are."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of a folder, or a folder in it, whose body is None."""

    path: str
    mode: int
    body: bytes | None


def meant_by(variables: Mapping[str, str]) -> str:
    """The folder that a caller names by REPO_PATH, TARGET_REPO or PYTHONPATH; otherwise the reference."""
    named = [variables.get("REPO_PATH"), variables.get("TARGET_REPO")]
    on_path = [one for one in variables.get("PYTHONPATH", "").split(os.pathsep) if one]
    candidates = [one for one in on_path if not missing_modules(Path(one))]
    return next(filter(None, [*named, *candidates]), "repository_after")


def missing_modules(directory: Path) -> list[str]:
    """The modules that a candidate needs and this folder lacks."""
    return [name for name in REQUIRED_MODULES if not (directory / name).is_file()]


def checked_directory(directory: Path) -> Path:
    """The folder as an absolute path; UsageError when there is none, CandidateError when it cannot be one."""
    if not directory.is_dir():
        raise UsageError(f"there is no candidate folder {directory}")
    if missing := missing_modules(directory):
        raise CandidateError(
            f"{directory} is not a candidate: it has no {', '.join(missing)} (see instances/contract.md)"
        )
    return directory.resolve()


def entries(folder: Path) -> dict[str, os.stat_result]:
    """Every file and folder in a folder that is served, by its path.

    CandidateError for anything else, such as a link or a device, and when there is too much.
    """
    found: dict[str, os.stat_result] = {}
    waiting, size = [folder], 0
    while waiting:
        with os.scandir(waiting.pop()) as children:
            served = [entry for entry in children if entry.name not in NOT_SERVED]
        for entry in served:
            name, status = os.path.relpath(entry.path, folder), entry.stat(follow_symlinks=False)
            if stat.S_ISDIR(status.st_mode):
                waiting.append(Path(entry.path))
            elif stat.S_ISREG(status.st_mode):
                size += status.st_size
            else:
                raise CandidateError(f"{name} is {kind_of(status.st_mode)}: only plain files are served")
            found[name] = status
        if size > LARGEST_BYTES:
            raise CandidateError(f"{folder.name} holds more than {LARGEST_BYTES // 1_000_000} MB")
        if len(found) > MOST_ENTRIES:
            raise CandidateError(f"{folder.name} holds more than {MOST_ENTRIES:,} files and folders")
    return dict(sorted(found.items()))


def kind_of(mode: int) -> str:
    """What something is that is neither a file nor a folder."""
    return "a link" if stat.S_ISLNK(mode) else "a pipe, a socket or a device"


def served_mode(mode: int) -> int:
    """The mode in which a file or folder is served: only whether its owner may execute it is kept."""
    return 0o755 if stat.S_ISDIR(mode) or mode & stat.S_IXUSR else 0o644


def copied(folder: Path, into: Path) -> Path:
    """Copy a folder without git's files and Python's caches; nothing is copied when something is no file."""
    found = entries(folder)
    into.mkdir(parents=True)
    for name, status in found.items():
        if stat.S_ISDIR(status.st_mode):
            (into / name).mkdir()
        else:
            shutil.copyfile(folder / name, into / name, follow_symlinks=False)
        (into / name).chmod(served_mode(status.st_mode))
    return into


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a folder that is served."""
    return {
        name: (folder / name).read_bytes()
        for name, status in entries(folder).items()
        if stat.S_ISREG(status.st_mode)
    }


def packed(folder: Path) -> tuple[Entry, ...]:
    """Everything in a folder that is served, to be carried to another machine; see `entries`."""
    return tuple(
        Entry(name, served_mode(status.st_mode), None if is_folder else (folder / name).read_bytes())
        for name, status in entries(folder).items()
        for is_folder in [stat.S_ISDIR(status.st_mode)]
    )


def unpacked(found: tuple[Entry, ...], into: Path) -> Path:
    """Write what `packed` read to a new folder: the same contents, with the same digest."""
    into.mkdir(parents=True)
    for one in found:
        if one.body is None:
            (into / one.path).mkdir()
        else:
            (into / one.path).write_bytes(one.body)
        (into / one.path).chmod(one.mode)
    return into


def content_digest(folder: Path) -> str:
    """The digest of everything that is served: names, modes and bodies."""
    digest = sha256()
    for name, status in entries(folder).items():
        body = b"" if stat.S_ISDIR(status.st_mode) else (folder / name).read_bytes()
        digest.update(os.fsencode(name) + f"\0{served_kind(status.st_mode)}\0{len(body)}\0".encode() + body)
    return digest.hexdigest()


def served_kind(mode: int) -> str:
    """The mode of a file as git writes it, or `folder`."""
    return "folder" if stat.S_ISDIR(mode) else f"{served_mode(mode):o}"
