"""The sandbox of a worker: bubblewrap where it works, a uid of its own for root, limits always.

`confine` runs in the worker, before the candidate is imported.
"""

import functools
import os
import random
import resource
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

from evaluation.serving import private, syscalls

ROOT = Path(__file__).parents[2]

LIMITS = {
    "RLIMIT_AS": 4 << 30,
    "RLIMIT_FSIZE": 256 << 20,
    "RLIMIT_NOFILE": 4096,
    "RLIMIT_CORE": 0,
}
ABSENT_IN_PRODUCTION = ("RLIMIT_CORE",)
"""A candidate could know by these that it is looked at; no process as in production has them."""
PROCESSES_OF_A_UID = 512
UIDS = range(61_000, 65_000)
CAP_DAC_READ_SEARCH = 1 << 2


@functools.cache
def kind() -> str:
    """How candidates are isolated on this machine: `bubblewrap`, `uid` or `limits`."""
    if shutil.which("bwrap"):
        trial = [sys.executable, "-m", "evaluation.serving.namespaces"]
        if subprocess.run(trial, cwd=ROOT, capture_output=True).returncode == 0:
            return "bubblewrap"
    return "uid" if os.geteuid() == 0 else "limits"


def is_private() -> bool:
    """Whether a worker makes itself a private view; bubblewrap has made one already."""
    return kind() != "bubblewrap" and private.is_possible()


def could_read() -> str:
    """What a candidate could read on this machine besides what it needs, in words for the report."""
    if kind() == "bubblewrap" or is_private():
        ours = "nothing of tests, patches, catalogs and reports of this repository"
    else:
        ours = "this repository with its tests, patches, catalogs and reports"
    others = "every file that our user can read" if kind() == "limits" else "files that all users can read"
    if kind() == "uid":
        others = "every file, since Python may be installed in root's home"
    return f"{ours}; elsewhere {others}"


def hold_uid() -> tuple[int, socket.socket] | None:
    """A uid that no other server has, and the socket that holds it while it is open; None unless we are root.

    The end of a server kills every process of its uid, so two servers must never share one. An abstract
    socket address belongs to one process on this machine at a time, and to none once that has ended.
    """
    if os.geteuid() != 0:
        return None
    for uid in random.sample(UIDS, len(UIDS)):
        holder = socket.socket(socket.AF_UNIX)
        try:
            holder.bind(f"\0hofaz9-uid-{uid}")
        except OSError:
            holder.close()
        else:
            return uid, holder
    raise OSError(f"all uids from {UIDS.start} on are taken")


def confine(isolation: str, uid: int | None, *, as_in_production: bool) -> None:
    """Limit the worker for good, drop its privileges, and let it die with its supervisor."""
    absent = ABSENT_IN_PRODUCTION if as_in_production else ()
    for name, limit in LIMITS.items():
        if name in absent:
            continue
        number = getattr(resource, name)
        hard = resource.getrlimit(number)[1]
        most = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        resource.setrlimit(number, (most, most))
    if isolation == "bubblewrap":
        syscalls.prctl(syscalls.PR_SET_NO_NEW_PRIVS, 1)
    if uid is not None:
        resource.setrlimit(resource.RLIMIT_NPROC, (PROCESSES_OF_A_UID, PROCESSES_OF_A_UID))
        switch_user(uid, reading=isolation != "bubblewrap")
    elif isolation == "bubblewrap":
        syscalls.keep_capabilities(0)
    syscalls.prctl(syscalls.PR_SET_DUMPABLE, 1)
    syscalls.prctl(syscalls.PR_SET_PDEATHSIG, signal.SIGKILL)


def switch_user(uid: int, *, reading: bool) -> None:
    """Switch to an unprivileged uid and give up all capabilities; see capabilities(7) and capset(2).

    With `reading`, CAP_DAC_READ_SEARCH is kept where we have it, because Python may be installed in root's
    home.
    """
    status = Path("/proc/self/status").read_text()
    permitted = int(status.partition("CapPrm:")[2].split()[0], 16)
    syscalls.prctl(syscalls.PR_SET_KEEPCAPS, 1)
    os.setgroups([])
    os.setgid(uid)
    os.setuid(uid)
    syscalls.keep_capabilities(permitted & CAP_DAC_READ_SEARCH if reading else 0)
    # So that a program which the candidate starts with `sys.executable` finds its Python, too.
    syscalls.keep_capabilities_when_starting_anew()
