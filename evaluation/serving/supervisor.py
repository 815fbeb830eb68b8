"""The supervisor of one worker: forks it, waits for its end, and ends what it leaves behind.

A candidate cannot reach its supervisor. Nothing but the end of the harness's socket stops a supervisor.
"""

import os
import select
import signal
import socket
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from evaluation.serving import sandbox, syscalls
from evaluation.serving.leftovers import sweep
from evaluation.serving.namespaces import Namespaces
from evaluation.serving.spawn_request import SpawnRequest

STOP_DEADLINE_S = 4.0
IGNORED_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


@dataclass(frozen=True, slots=True)
class Isolation:
    """What keeps one server apart from all else: namespaces, a uid, or its place in the tree alone."""

    namespaces: Namespaces | None
    held_uid: tuple[int, socket.socket] | None

    @property
    def uid(self) -> int | None:
        """The uid of the server alone, if it has one."""
        return self.held_uid[0] if self.held_uid else None

    def kill_all(self) -> None:
        """End every process that is left of the server, and remove what is left of its uid."""
        if self.namespaces:
            self.namespaces.end()
        elif self.uid is not None:
            kill_all_of(self.uid)
        kill_descendants()
        if self.uid is not None:
            sweep(self.uid)


def supervise(request: SpawnRequest) -> tuple[SpawnRequest, Isolation]:
    """Fork the worker, in which this returns; the supervisor ends when nothing of it is left."""
    syscalls.prctl(syscalls.PR_SET_CHILD_SUBREAPER, 1)
    os.dup2(request.log, 1)
    os.dup2(request.log, 2)
    isolation = Isolation(
        Namespaces(Path(request.directory)) if request.isolation == "bubblewrap" else None,
        sandbox.hold_uid(),
    )
    if isolation.namespaces:
        isolation.namespaces.admit_children()
    if not (child := os.fork()):
        return request, isolation
    syscalls.prctl(syscalls.PR_SET_PDEATHSIG, signal.SIGKILL)
    os.close(request.listener)
    os.close(request.control)
    wait_and_clean_up(child, request.harness, isolation)
    os._exit(0)


def wait_and_clean_up(child: int, harness: int, isolation: Isolation) -> None:
    """Wait until the server ends or the harness hangs up; send its exit status once nothing of it is left."""
    send_number(harness, child)
    ended = os.pidfd_open(child)
    with suppress(ProcessLookupError):
        # A message from the harness means kill; a closed socket means ask the server to stop.
        if ended not in select.select([ended, harness], [], [])[0] and not os.read(harness, 1):
            os.killpg(child, signal.SIGTERM)
            select.select([ended], [], [], STOP_DEADLINE_S)
        os.killpg(child, signal.SIGKILL)
    status = os.waitpid(child, 0)[1]
    isolation.kill_all()
    send_number(harness, os.waitstatus_to_exitcode(status))


def send_number(harness: int, number: int) -> None:
    """Send a number to the harness, if it is still there."""
    with suppress(BrokenPipeError):
        os.write(harness, str(number).encode())


def kill_all_of(uid: int) -> None:
    """Kill every process of a uid at once, from a process that has become that uid; kill(2)."""
    if not (killer := os.fork()):
        os.setuid(uid)
        with suppress(ProcessLookupError):
            os.kill(-1, signal.SIGKILL)
        os._exit(0)
    os.waitpid(killer, 0)


def kill_descendants() -> None:
    """Kill children until there are none: orphans of the server have become children of its subreaper."""
    children = Path(f"/proc/self/task/{os.getpid()}/children")
    while found := [int(pid) for pid in children.read_text().split()]:
        for pid in found:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
