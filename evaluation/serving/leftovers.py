"""Removes what a uid of one server has left on the machine: files in temporary folders, and IPC objects."""

import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from evaluation.serving import syscalls
from evaluation.serving.private import TEMPORARY


def sweep(uid: int) -> None:
    """Remove everything of a uid without processes; where its view was private, there is nothing."""
    for path in (path for folder in TEMPORARY if folder.is_dir() for path in folder.iterdir()):
        with suppress(OSError):
            if path.lstat().st_uid == uid:
                remove(path)
    removers: dict[str, Callable[[int], None]] = {
        "shm": syscalls.remove_memory,
        "msg": syscalls.remove_messages,
        "sem": syscalls.remove_semaphores,
    }
    for kind, remover in removers.items():
        for number in numbers_of(Path("/proc/sysvipc", kind), uid):
            with suppress(OSError):
                remover(number)


def remove(path: Path) -> None:
    """Remove a file, a link, or a folder with all that is in it."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink()


def numbers_of(table: Path, uid: int) -> list[int]:
    """The numbers of the IPC objects in a table of /proc that belong to a uid."""
    if not table.is_file():
        return []
    names, *rows = (line.split() for line in table.read_text().splitlines())
    number, owner = names.index(f"{table.name}id" if table.name != "msg" else "msqid"), names.index("uid")
    return [int(row[number]) for row in rows if int(row[owner]) == uid]
