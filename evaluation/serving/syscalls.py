"""Linux system calls that Python 3.11 has no function for: prctl(2), setns(2), capset(2)."""

import ctypes
import os

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_KEEPCAPS = 8
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38
CAPABILITY_VERSION_3 = 0x20080522

LIBC = ctypes.CDLL(None, use_errno=True)


def prctl(option: int, value: int) -> None:
    """Set an attribute of this process."""
    checked(LIBC.prctl(option, value, 0, 0, 0), "prctl")


def setns(descriptor: int) -> None:
    """Join the namespace of an open /proc/<pid>/ns file."""
    checked(LIBC.setns(descriptor, 0), "setns")


def keep_capabilities(kept: int) -> None:
    """Give up all other capabilities for good; `kept` is a mask of the first 32."""
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
    effective_permitted_inheritable = (ctypes.c_uint32 * 6)(kept, kept, 0, 0, 0, 0)
    checked(LIBC.capset(header, effective_permitted_inheritable), "capset")


def checked(result: int, name: str) -> None:
    """Raise OSError when a call has failed."""
    if result:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")
