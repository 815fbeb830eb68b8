"""Bubblewrap around one server: built beside the serving process, which is forked and then steps in.

A forked process cannot be wrapped by a command, so bubblewrap wraps a `cat` that does nothing, and the
namespaces around it are joined. When its first process is killed, the kernel kills all that are inside.
"""

import fcntl
import json
import os
import select
import signal
import stat
import sys
from pathlib import Path

from evaluation.runtime.syscalls import setns

ROOT = Path(__file__).parents[2]
SCRATCH_BYTES = 64 << 20
NS_GET_USERNS = 0xB701
"""ioctl_ns(2): the user namespace that owns another namespace."""


class Cell:
    """The namespaces of one bubblewrap, as open descriptors."""

    def __init__(self, directory: Path) -> None:
        told, tell = os.pipe()
        wake, awaited = os.pipe()
        echo, echoed = os.pipe()
        os.set_inheritable(tell, True)
        actions = [(os.POSIX_SPAWN_DUP2, wake, 0), (os.POSIX_SPAWN_DUP2, echoed, 1)]
        command = [*bubblewrap(directory), "--info-fd", str(tell), "--", "cat"]
        self.bubblewrap = os.posix_spawnp("bwrap", command, os.environ, file_actions=actions)
        for theirs in (tell, wake, echoed):
            os.close(theirs)
        os.write(awaited, b"!")
        # The cat answers when everything is mounted.
        if os.read(echo, 1) != b"!":
            raise OSError("bubblewrap does not start")
        first: int = json.loads(os.read(told, 4096))["child-pid"]
        self.first = os.pidfd_open(first)
        self.spaces = {
            name: os.open(f"/proc/{first}/ns/{name}", os.O_RDONLY)
            for name in ("pid", "ipc", "uts", "mnt", "user")
        }
        self.owner = fcntl.ioctl(self.spaces["mnt"], NS_GET_USERNS)

    def admit_children(self) -> None:
        """What this process forks from now on is a process of the cell."""
        join_users(self.owner)
        setns(self.spaces["pid"])

    def enter(self) -> None:
        """See and use nothing but what is inside; for a process that was forked into it."""
        for name in ("ipc", "uts", "mnt"):
            setns(self.spaces[name])
        join_users(self.spaces["user"])

    def end(self) -> None:
        """Kill everything inside, and wait until it is dead."""
        signal.pidfd_send_signal(self.first, signal.SIGKILL)
        select.select([self.first], [], [])
        os.waitpid(self.bubblewrap, 0)


def join_users(descriptor: int) -> None:
    """Join a user namespace, unless it is ours already."""
    if not os.path.sameopenfile(descriptor, ours := os.open("/proc/self/ns/user", os.O_RDONLY)):
        setns(descriptor)
    os.close(ours)


def bubblewrap(directory: Path) -> list[str]:
    """A read-only machine without tests, reports and other candidates, with processes and /tmp of its own."""
    shown = [Path(sys.base_prefix), Path(sys.prefix), ROOT / "evaluation", directory]
    hidden = sorted({ROOT, *(closed for path in shown if (closed := closed_ancestor(path)))})
    options = ["--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc"]
    options += ["--size", str(SCRATCH_BYTES), "--tmpfs", "/tmp"]
    for path in hidden:
        options += ["--tmpfs", str(path)]
    for path in shown:
        for way in reversed(path.parents):
            if {Path("/tmp"), *hidden} & set(way.parents):
                options += ["--perms", "0755", "--dir", str(way)]
        options += ["--ro-bind", str(path), str(path)]
    if (ROOT / "evaluation" / "reports").is_dir():
        options += ["--tmpfs", str(ROOT / "evaluation" / "reports")]
    options += ["--unshare-pid", "--unshare-ipc", "--unshare-uts", "--die-with-parent"]
    return ["bwrap", *options]


def closed_ancestor(path: Path) -> Path | None:
    """The topmost folder on the way to `path` that other users may not enter."""
    ways = [*reversed(path.parents), path]
    return next((way for way in ways if not way.stat().st_mode & stat.S_IXOTH), None)


def main() -> None:
    """Exit with 0 where cells work: a process in one can read what a candidate needs."""
    cell = Cell(ROOT / "repository_before")
    cell.admit_children()
    if not (child := os.fork()):
        cell.enter()
        os.chdir(ROOT)
        readable = Path("repository_before", "main.py").is_file() and Path(sys.executable).is_file()
        os._exit(not readable)
    status = os.waitpid(child, 0)[1]
    cell.end()
    sys.exit(os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    main()
