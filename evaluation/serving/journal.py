"""The log of a process as in production, whose standard error is a socket, as under systemd."""

import os
import socket
from contextlib import suppress
from pathlib import Path
from threading import Thread

LONGEST_BYTES = 256 << 20
"""What comes after as much is read and dropped: a full disk would harm others."""
AT_ONCE_BYTES = 1 << 16


def journal(log: Path) -> socket.socket:
    """A socket to write to; what is written arrives in the log a moment later, until all have closed it."""
    ours, theirs = socket.socketpair()
    Thread(target=copy, args=(ours, log), name="journal", daemon=True).start()
    return theirs


def copy(source: socket.socket, log: Path) -> None:
    """Copy to the log whatever comes, until nobody is left who could write."""
    room = LONGEST_BYTES
    with suppress(OSError), source, log.open("ab", buffering=0) as file:
        while found := source.recv(AT_ONCE_BYTES):
            os.write(file.fileno(), found[:room])
            room -= min(room, len(found))
