"""Linux system calls that Python 3.11 has no function for: prctl, setns, unshare, mount, capset, capget."""

import ctypes
import os

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_KEEPCAPS = 8
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38
PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE = 47, 2
IPC_RMID = 0
CAPABILITY_VERSION_3 = 0x20080522
CLONE_NEWNS, CLONE_NEWIPC, CLONE_NEWUSER = 0x20000, 0x8000000, 0x10000000
MS_RDONLY, MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 1, 1 << 5, 1 << 12, 1 << 14, 1 << 18

LIBC = ctypes.CDLL(None, use_errno=True)


def prctl(option: int, value: int, further: int = 0) -> None:
    """Set an attribute of this process."""
    checked(LIBC.prctl(option, value, further, 0, 0), "prctl")


def setns(descriptor: int) -> None:
    """Join the namespace of an open /proc/<pid>/ns file."""
    checked(LIBC.setns(descriptor, 0), "setns")


def unshare(flags: int) -> None:
    """Leave namespaces for new ones."""
    checked(LIBC.unshare(flags), "unshare")


def mount(source: str, target: str, kind: str, flags: int, options: str = "") -> None:
    """Mount a file system, or change a mount."""
    words = [os.fsencode(word) for word in (source, target, kind)]
    checked(LIBC.mount(*words, ctypes.c_ulong(flags), options.encode()), f"mount on {target}")


def remove_memory(number: int) -> None:
    """Remove a segment of shared memory."""
    checked(LIBC.shmctl(number, IPC_RMID, None), "shmctl")


def remove_messages(number: int) -> None:
    """Remove a queue of messages."""
    checked(LIBC.msgctl(number, IPC_RMID, None), "msgctl")


def remove_semaphores(number: int) -> None:
    """Remove a set of semaphores."""
    checked(LIBC.semctl(number, 0, IPC_RMID), "semctl")


def keep_capabilities(kept: int) -> None:
    """Give up all other capabilities for good; `kept` is a mask of the first 32."""
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
    effective_permitted_inheritable = (ctypes.c_uint32 * 6)(kept, kept, 0, 0, 0, 0)
    checked(LIBC.capset(header, effective_permitted_inheritable), "capset")


def keep_capabilities_when_starting_anew() -> None:
    """Keep over execve(2) what `keep_capabilities` has left to this process; see capabilities(7)."""
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
    sets = (ctypes.c_uint32 * 6)()
    checked(LIBC.capget(header, sets), "capget")
    sets[2] = permitted = sets[1]
    checked(LIBC.capset(header, sets), "capset")
    for number in range(permitted.bit_length()):
        if permitted & 1 << number:
            prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, number)


def checked(result: int, name: str) -> None:
    """Raise OSError when a call has failed."""
    if result:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")
