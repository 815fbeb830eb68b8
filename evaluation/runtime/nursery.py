"""Where serving processes are born: a process that has imported the libraries, and forks.

Started by `nurseries.py`, one for each candidate, of which it runs nothing itself. For every request it
forks a keeper; the keeper forks the serving process, waits for its end or for the harness to let go,
and ends what is left of it. Nothing but the end of the harness's sockets stops nursery and keepers.
"""

import gc
import importlib
import json
import os
import select
import signal
import socket
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from evaluation.runtime import sandbox, syscalls
from evaluation.runtime.cell import ROOT, Cell

LIBRARIES = (
    "asyncpg",
    "fastapi",
    "httptools",
    "psycopg",
    "pydantic.v1",
    "redis.asyncio",
    "sqlalchemy.dialects.postgresql.asyncpg",
    "sqlalchemy.dialects.postgresql.psycopg",
    "sqlalchemy.ext.asyncio",
    "starlette.middleware.gzip",
    "uvicorn.lifespan.on",
    "uvicorn.protocols.http.httptools_impl",
    "uvicorn.protocols.websockets.auto",
    "uvloop",
)
"""What the requirements list for catalogs and what serves them, and nothing else."""

STOP_DEADLINE_S = 8.0
DEAF = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


@dataclass(frozen=True, slots=True)
class Order:
    """A request: what is to be served, and how."""

    directory: str
    environment: dict[str, str]
    options: list[str]
    isolation: str
    listener: int
    control: int
    log: int
    life: int


@dataclass(frozen=True, slots=True)
class Fence:
    """What keeps one server apart from all else: a cell, a uid, or only its place below the keeper."""

    cell: Cell | None
    uid: int | None

    def clear(self) -> None:
        """End every process that is left of the server."""
        if self.cell:
            self.cell.end()
        elif self.uid is not None:
            kill_all_of(self.uid)
        kill_descendants()


def main() -> None:
    """Fork on request; each serving process comes out of `nurse` and goes on from here."""
    syscalls.prctl(syscalls.PR_SET_DUMPABLE, 0)
    for number in DEAF:
        signal.signal(number, signal.SIG_IGN)
    serve = importlib.import_module("evaluation.runtime.serve")
    for name in LIBRARIES:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()
    order, fence = nurse(socket.socket(fileno=int(sys.argv[1])))
    move_in(order, fence)
    serve.main(order, lambda: sandbox.confine(order.isolation, fence.uid))


def nurse(line: socket.socket) -> tuple[Order, Fence]:
    """Fork a keeper for every request until the harness hangs up; return in serving processes alone."""
    keepers: list[int] = []
    while True:
        request, descriptors, _, _ = socket.recv_fds(line, 1 << 16, 4)
        if not request:
            break
        if not (keeper := os.fork()):
            line.close()
            return keep(Order(*json.loads(request), *descriptors))
        for descriptor in descriptors:
            os.close(descriptor)
        keepers = [keeper, *(one for one in keepers if not os.waitpid(one, os.WNOHANG)[0])]
    for keeper in keepers:
        os.waitpid(keeper, 0)
    raise SystemExit


def keep(order: Order) -> tuple[Order, Fence]:
    """Fork the serving process, in which this returns; elsewhere it ends when nothing of it is left."""
    syscalls.prctl(syscalls.PR_SET_CHILD_SUBREAPER, 1)
    os.dup2(order.log, 1)
    os.dup2(order.log, 2)
    fence = Fence(
        Cell(Path(order.directory)) if order.isolation == "bubblewrap" else None,
        sandbox.own_uid(),
    )
    if fence.cell:
        fence.cell.admit_children()
    if not (child := os.fork()):
        return order, fence
    syscalls.prctl(syscalls.PR_SET_PDEATHSIG, signal.SIGKILL)
    os.close(order.listener)
    os.close(order.control)
    outlast(child, order.life, fence)
    os._exit(0)


def outlast(child: int, life: int, fence: Fence) -> None:
    """Wait until the server ends or the harness lets go; tell how it ended, once it has ended whole."""
    tell(life, child)
    ended = os.pidfd_open(child)
    with suppress(ProcessLookupError):
        # At a word it is killed, at a mere end of the conversation it is asked to go.
        if ended not in select.select([ended, life], [], [])[0] and not os.read(life, 1):
            os.killpg(child, signal.SIGTERM)
            select.select([ended], [], [], STOP_DEADLINE_S)
        os.killpg(child, signal.SIGKILL)
    status = os.waitpid(child, 0)[1]
    fence.clear()
    tell(life, os.waitstatus_to_exitcode(status))


def tell(life: int, number: int) -> None:
    """A number to the harness, if it is still there."""
    with suppress(BrokenPipeError):
        os.write(life, str(number).encode())


def kill_all_of(uid: int) -> None:
    """Kill every process of a uid at once, from a process that has become that uid; kill(2)."""
    if not (killer := os.fork()):
        os.setuid(uid)
        with suppress(ProcessLookupError):
            os.kill(-1, signal.SIGKILL)
        os._exit(0)
    os.waitpid(killer, 0)


def kill_descendants() -> None:
    """Kill children until there are none: whatever a process left behind has become ours, the subreaper's."""
    children = Path(f"/proc/self/task/{os.getpid()}/children")
    while found := [int(pid) for pid in children.read_text().split()]:
        for pid in found:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def move_in(order: Order, fence: Fence) -> None:
    """Make this process the server's own: session, namespaces, output, environment, signals."""
    os.setsid()
    if fence.cell:
        fence.cell.enter()
        os.chdir(ROOT)
    close_all_but({0, 1, 2, order.listener, order.control})
    os.environ.clear()
    os.environ.update(order.environment)
    for deaf in DEAF:
        signal.signal(deaf, signal.default_int_handler if deaf == signal.SIGINT else signal.SIG_DFL)


def close_all_but(kept: set[int]) -> None:
    """Hold no other file, socket or namespace."""
    for number in map(int, os.listdir("/proc/self/fd")):
        if number not in kept:
            # The listing itself was one of them.
            with suppress(OSError):
                os.close(number)


if __name__ == "__main__":
    main()
