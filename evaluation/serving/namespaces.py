"""The namespaces of one server, made by bubblewrap.

A process that is forked cannot be started by bubblewrap. So bubblewrap starts a `cat` that does nothing, and
the serving process joins its namespaces. When the first process in them is killed, the kernel kills the rest.
"""

import fcntl
import json
import os
import select
import signal
import stat
import sys
from pathlib import Path

from evaluation.serving.syscalls import setns

ROOT = Path(__file__).parents[2]
SCRATCH_BYTES = 64 << 20
NS_GET_USERNS = 0xB701
"""ioctl_ns(2): the user namespace that owns another namespace."""


class Namespaces:
    """The namespaces of one bubblewrap, as open descriptors."""

    def __init__(self, directory: Path) -> None:
        info, their_info = os.pipe()
        their_stdin, stdin = os.pipe()
        stdout, their_stdout = os.pipe()
        os.set_inheritable(their_info, True)
        actions = [(os.POSIX_SPAWN_DUP2, their_stdin, 0), (os.POSIX_SPAWN_DUP2, their_stdout, 1)]
        command = [*bubblewrap(directory), "--info-fd", str(their_info), "--", "cat"]
        self.bubblewrap = os.posix_spawnp("bwrap", command, os.environ, file_actions=actions)
        for theirs in (their_info, their_stdin, their_stdout):
            os.close(theirs)
        os.write(stdin, b"!")
        # `cat` answers once everything is mounted.
        if os.read(stdout, 1) != b"!":
            raise OSError("bubblewrap does not start")
        first: int = json.loads(os.read(info, 4096))["child-pid"]
        self.first = os.pidfd_open(first)
        self._descriptors = {
            name: os.open(f"/proc/{first}/ns/{name}", os.O_RDONLY)
            for name in ("pid", "ipc", "uts", "mnt", "user")
        }
        self.owner = fcntl.ioctl(self._descriptors["mnt"], NS_GET_USERNS)

    def admit_children(self) -> None:
        """Processes that this one forks from now on are in the namespaces."""
        join_users(self.owner)
        setns(self._descriptors["pid"])

    def enter(self) -> None:
        """Join the namespaces; for a process that was forked after `admit_children`."""
        for name in ("ipc", "uts", "mnt"):
            setns(self._descriptors[name])
        join_users(self._descriptors["user"])

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
    visible = [Path(sys.base_prefix), Path(sys.prefix), ROOT / "evaluation", directory]
    hidden = sorted({ROOT, *(closed for path in visible if (closed := closed_ancestor(path)))})
    options = ["--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc"]
    options += ["--size", str(SCRATCH_BYTES), "--tmpfs", "/tmp"]
    for path in hidden:
        options += ["--tmpfs", str(path)]
    for path in visible:
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
    """Exit with 0 where namespaces work: a process in them can read what a candidate needs."""
    namespaces = Namespaces(ROOT / "repository_before")
    namespaces.admit_children()
    if not (child := os.fork()):
        namespaces.enter()
        os.chdir(ROOT)
        readable = Path("repository_before", "main.py").is_file() and Path(sys.executable).is_file()
        os._exit(not readable)
    status = os.waitpid(child, 0)[1]
    namespaces.end()
    sys.exit(os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    main()
