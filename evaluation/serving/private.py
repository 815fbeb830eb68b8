"""A private view of the machine for one worker, made by itself, where the kernel lets it.

Its temporary folders and its IPC objects are its own; they are small, and end with the process. Of this
repository it sees the harness and the candidate alone. Root needs no more for that than mount(2); anybody
else gets a user namespace. `python -m evaluation.serving.private` says by its exit status whether this
works here.
"""

import functools
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from evaluation.serving import syscalls

ROOT = Path(__file__).parents[2]
TEMPORARY = (Path("/tmp"), Path("/var/tmp"), Path("/dev/shm"))
SIZE = "size=64m,nr_inodes=20000"
"""Of each temporary folder; it is memory."""
SHARED_PAGES = 1 << 14


@functools.cache
def is_possible() -> bool:
    """Whether a process can get a private view on this machine."""
    trial = [sys.executable, "-m", "evaluation.serving.private"]
    return subprocess.run(trial, cwd=ROOT, capture_output=True).returncode == 0


def enter(directory: Path) -> None:
    """Give this process, which must have one thread, its own view; `directory` is the candidate's folder."""
    visible = [Path(sys.base_prefix), Path(sys.prefix), ROOT / "evaluation", directory]
    leave_namespaces()
    syscalls.mount("none", "/", "", syscalls.MS_REC | syscalls.MS_PRIVATE)
    opened = {path: os.open(path, os.O_PATH) for path in visible}
    hidden = [path for path in (*TEMPORARY, ROOT) if path.is_dir()]
    for path in hidden:
        # What lay in a hidden folder is hidden already.
        if path.is_dir():
            mode = "1777" if path in TEMPORARY else "755"
            syscalls.mount("tmpfs", str(path), "tmpfs", 0, f"{SIZE},mode={mode}")
    for path, descriptor in opened.items():
        if set(hidden) & set(path.parents):
            path.mkdir(parents=True, exist_ok=True)
            bound(descriptor, path)
        os.close(descriptor)
    # Shared memory counts in pages of 4 kB; without root, the kernel may not let us say so.
    with suppress(OSError):
        Path("/proc/sys/kernel/shmall").write_text(str(SHARED_PAGES))
    if (reports := ROOT / "evaluation" / "reports").is_dir():
        syscalls.mount("tmpfs", str(reports), "tmpfs", 0, SIZE)
    os.chdir(ROOT)
    if os.geteuid() != 0:
        syscalls.keep_capabilities(0)


def leave_namespaces() -> None:
    """Leave the shared namespaces of mounts and IPC; without root, by way of a user namespace."""
    user, group = os.geteuid(), os.getegid()
    syscalls.unshare(syscalls.CLONE_NEWNS | syscalls.CLONE_NEWIPC | (syscalls.CLONE_NEWUSER if user else 0))
    if user:
        # These files belong to root while a process cannot be dumped, as the forkserver cannot.
        syscalls.prctl(syscalls.PR_SET_DUMPABLE, 1)
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
        Path("/proc/self/gid_map").write_text(f"{group} {group} 1")


def bound(descriptor: int, path: Path) -> None:
    """Show an open folder at a path, where possible for reading only."""
    syscalls.mount(f"/proc/self/fd/{descriptor}", str(path), "", syscalls.MS_BIND | syscalls.MS_REC)
    # Without root, options that the mount below has may be locked.
    with suppress(OSError):
        syscalls.mount("none", str(path), "", syscalls.MS_BIND | syscalls.MS_REMOUNT | syscalls.MS_RDONLY)


if __name__ == "__main__":
    enter(ROOT / "repository_before")
