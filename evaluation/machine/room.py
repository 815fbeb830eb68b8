"""What an evaluation needs from its machine, looked at before anything is measured."""

import os
import resource
import shutil
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from evaluation.errors import InfrastructureError

OPEN_FILES = 2048
"""500 clients and as many connections of a server, with what both hold besides."""
SCRATCH_BYTES = 2_000_000_000
"""The clones of the data set, the logs and the copies of one evaluation."""
REPORT_BYTES = 50_000_000
MEMORY = Path("/dev/shm")
NEEDED_BYTES, PRODUCT_BYTES = 2_000_000_000, 20_000
"""What clusters and clones need at most, whatever they hold, and for each product of the data sets."""
LEFT_BYTES = 4_000_000_000
"""What everything else may need of the memory meanwhile."""
CGROUP = Path("/sys/fs/cgroup")


def make_room(folders: Iterable[Path]) -> None:
    """Allow as many open files as we need, and see that there is room for scratch files and reports.

    InfrastructureError says what is missing. The folders of the reports are created.
    """
    allow_open_files()
    see_room(Path(tempfile.gettempdir()), SCRATCH_BYTES, "set TMPDIR to another folder")
    for folder in folders:
        see_room(folder, REPORT_BYTES, "use --out, --junit or --markdown with another folder")


def in_memory(products: int) -> Path | None:
    """A folder in memory for databases of so many products in all; None where it has too little room.

    There a database is cloned in a quarter of the time. A TMPDIR that is set is obeyed.
    """
    needed_bytes = NEEDED_BYTES + PRODUCT_BYTES * products
    if "TMPDIR" in os.environ or not os.access(MEMORY, os.W_OK | os.X_OK):
        return None
    found = os.statvfs(MEMORY)
    is_open = not found.f_flag & (os.ST_NOEXEC | os.ST_RDONLY)
    has_room = min(found.f_bavail * found.f_frsize, available_bytes() - LEFT_BYTES) >= needed_bytes
    return MEMORY if is_open and MEMORY.is_mount() and has_room else None


def available_bytes() -> int:
    """The memory that can be used without swapping, as far as the limits of a container go."""
    told = Path("/proc/meminfo").read_text().partition("MemAvailable:")[2].split()
    found = [1024 * int(told[0])] if told else [0]
    with suppress(OSError, ValueError):
        limit, used = ((CGROUP / f"memory.{name}").read_text() for name in ("max", "current"))
        found.append(int(limit) - int(used))
    return min(found)


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
