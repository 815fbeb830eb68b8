"""What a serving process may see and use: bubblewrap where it works, a uid of its own, limits always.

`wrapped` runs in the harness and builds the command; `confine` runs in the serving process, once
everything of ours is imported and before anything of the candidate's is.
"""

import ctypes
import functools
import os
import random
import resource
import shutil
import stat
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

LIMITS = {
    "RLIMIT_AS": 4 << 30,
    "RLIMIT_CPU": 600,
    "RLIMIT_FSIZE": 256 << 20,
    "RLIMIT_NOFILE": 4096,
    "RLIMIT_CORE": 0,
}
PROCESSES_OF_A_UID = 512
SCRATCH_BYTES = 64 << 20
UIDS = range(61_000, 65_000)
PR_SET_KEEPCAPS = 8
CAPABILITY_VERSION_3 = 0x20080522
CAP_DAC_READ_SEARCH = 1 << 2


def wrapped(command: list[str], directory: Path) -> list[str]:
    """The command inside bubblewrap if it works here, else the command as it is."""
    return [*bubblewrap(directory), *command] if kind() == "bubblewrap" else command


@functools.cache
def kind() -> str:
    """How candidates are kept apart on this machine: `bubblewrap`, `uid` or `limits`."""
    if shutil.which("bwrap"):
        trial = [*bubblewrap(ROOT / "repository_before"), sys.executable, "-c", "import sqlalchemy"]
        if subprocess.run(trial, cwd=ROOT, capture_output=True).returncode == 0:
            return "bubblewrap"
    return "uid" if own_uid() else "limits"


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
    if os.geteuid() == 0:
        options += ["--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
    return ["bwrap", *options, "--"]


def closed_ancestor(path: Path) -> Path | None:
    """The topmost folder on the way to `path` that other users may not enter."""
    ways = [*reversed(path.parents), path]
    return next((way for way in ways if not way.stat().st_mode & stat.S_IXOTH), None)


def own_uid() -> int | None:
    """A uid that nobody has, when we may take one."""
    return random.choice(UIDS) if os.geteuid() == 0 else None


def confine() -> None:
    """Give up what the serving process does not need; there is no way back."""
    for name, limit in LIMITS.items():
        number = getattr(resource, name)
        hard = resource.getrlimit(number)[1]
        most = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        resource.setrlimit(number, (most, most))
    uid = own_uid()
    if uid is not None:
        resource.setrlimit(resource.RLIMIT_NPROC, (PROCESSES_OF_A_UID, PROCESSES_OF_A_UID))
        become(uid)


def become(uid: int) -> None:
    """Be somebody else, who may read (Python can lie in root's home) and can no longer write or rule.

    Of root's capabilities only CAP_DAC_READ_SEARCH is kept, where we have it; capabilities(7), capset(2).
    """
    libc = ctypes.CDLL(None, use_errno=True)
    status = Path("/proc/self/status").read_text()
    reading = int(status.partition("CapPrm:")[2].split()[0], 16) & CAP_DAC_READ_SEARCH
    libc.prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0)
    os.setgroups([])
    os.setgid(uid)
    os.setuid(uid)
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
    effective_permitted_inheritable = (ctypes.c_uint32 * 6)(reading, reading, 0, 0, 0, 0)
    if libc.capset(header, effective_permitted_inheritable):
        raise OSError(ctypes.get_errno(), "capset")
