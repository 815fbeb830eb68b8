"""The namespaces of one server, made by bubblewrap.

Bubblewrap starts a new program, but workers are forked. So bubblewrap starts an idle `cat`, and the
worker joins its namespaces. When the first process in the namespaces is killed, the kernel kills all
others in them.
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
    """The namespaces that one bubblewrap process created, as open descriptors."""

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
        # `cat` replies once everything is mounted.
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
        """Put the processes that this one forks from now on into the namespaces."""
        join_users(self.owner)
        setns(self._descriptors["pid"])

    def enter(self) -> None:
        """Join the namespaces; only for a process that was forked after `admit_children`."""
        for name in ("ipc", "uts", "mnt"):
            setns(self._descriptors[name])
        join_users(self._descriptors["user"])

    def end(self) -> None:
        """Kill everything inside, and wait until it is dead."""
        signal.pidfd_send_signal(self.first, signal.SIGKILL)
        select.select([self.first], [], [])
        os.waitpid(self.bubblewrap, 0)


def join_users(descriptor: int) -> None:
    """Join a user namespace, unless this process is in it already."""
    if not os.path.sameopenfile(descriptor, ours := os.open("/proc/self/ns/user", os.O_RDONLY)):
        setns(descriptor)
    os.close(ours)


def bubblewrap(directory: Path) -> list[str]:
    """The command line: a read-only file system without tests, reports and other candidates.

    The processes and /tmp are private. `directory` is the candidate's folder.
    """
    visible = [Path(sys.base_prefix), Path(sys.prefix), ROOT / "evaluation", directory]
    hidden = sorted({ROOT, *(closed for path in visible if (closed := closed_ancestor(path)))})
    options = ["--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc"]
    options += ["--size", str(SCRATCH_BYTES), "--tmpfs", "/tmp"]
    options += ["--perms", "1777", "--size", str(SCRATCH_BYTES), "--tmpfs", "/dev/shm"]
    for path in hidden:
        options += ["--tmpfs", str(path)]
    for path in visible:
        for folder in reversed(path.parents):
            if {Path("/tmp"), *hidden} & set(folder.parents):
                options += ["--perms", "0755", "--dir", str(folder)]
        options += ["--ro-bind", str(path), str(path)]
    if (ROOT / "evaluation" / "reports").is_dir():
        options += ["--tmpfs", str(ROOT / "evaluation" / "reports")]
    options += ["--unshare-pid", "--unshare-ipc", "--unshare-uts", "--die-with-parent"]
    return ["bwrap", *options]


def closed_ancestor(path: Path) -> Path | None:
    """The topmost folder above `path`, or `path` itself, that other users may not enter."""
    folders = [*reversed(path.parents), path]
    return next((folder for folder in folders if not folder.stat().st_mode & stat.S_IXOTH), None)


def main() -> None:
    """Exit with status 0 where namespaces work: a process in them can read what a candidate needs."""
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
