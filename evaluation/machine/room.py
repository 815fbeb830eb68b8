"""What an evaluation needs from its machine, looked at before anything is measured."""

import resource
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path

from evaluation.errors import InfrastructureError

OPEN_FILES = 2048
"""500 clients and as many connections of a server, with what both hold besides."""
SCRATCH_BYTES = 2_000_000_000
"""The clones of the data set, the logs and the copies of one evaluation."""
REPORT_BYTES = 50_000_000


def make_room(folders: Iterable[Path]) -> None:
    """Allow as many open files as we need, and see that there is room for scratch files and reports.

    InfrastructureError says what is missing. The folders of the reports are created.
    """
    allow_open_files()
    see_room(Path(tempfile.gettempdir()), SCRATCH_BYTES, "set TMPDIR to another folder")
    for folder in folders:
        see_room(folder, REPORT_BYTES, "use --out, --junit or --markdown with another folder")


def allow_open_files() -> None:
    """Allow this process and those that it starts OPEN_FILES; InfrastructureError when it may not."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < OPEN_FILES:
        raise InfrastructureError(f"only {hard} open files are allowed (ulimit -n), {OPEN_FILES} are needed")
    if soft != resource.RLIM_INFINITY and soft < OPEN_FILES:
        resource.setrlimit(resource.RLIMIT_NOFILE, (OPEN_FILES, hard))


def see_room(folder: Path, needed_bytes: int, advice: str) -> None:
    """Write a file and delete it; InfrastructureError when that fails or too little space is free."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".room-") as file:
            file.write(bytes(4096))
            file.flush()
        free = shutil.disk_usage(folder).free
    except OSError as error:
        raise InfrastructureError(f"{folder} cannot be written: {error.strerror}; {advice}") from error
    if free < needed_bytes:
        megabytes = f"{free // 1_000_000} MB are free in {folder}, {needed_bytes // 1_000_000} are needed"
        raise InfrastructureError(f"{megabytes}; {advice}")
