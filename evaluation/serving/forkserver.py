"""The forkserver: a process that has imported the libraries, and forks workers on request.

Started by `spawn.py`, one for each candidate, of which it runs nothing itself. For every request it forks a
supervisor (`supervisor.py`), which forks the worker. It ends when the harness closes its socket.
"""

import gc
import importlib
import json
import os
import signal
import socket
import sys
from contextlib import suppress
from pathlib import Path

from evaluation.serving import private, sandbox, syscalls
from evaluation.serving.namespaces import ROOT
from evaluation.serving.spawn_request import SpawnRequest
from evaluation.serving.supervisor import IGNORED_SIGNALS, Isolation, supervise

LIBRARIES = (
    "asyncpg",
    "fastapi",
    "httptools",
    "psycopg",
    "psycopg2",
    "pydantic.v1",
    "redis.asyncio",
    "sqlalchemy.dialects.postgresql.asyncpg",
    "sqlalchemy.dialects.postgresql.psycopg",
    "sqlalchemy.dialects.postgresql.psycopg2",
    "sqlalchemy.ext.asyncio",
    "starlette.middleware.gzip",
    "uvicorn.lifespan.on",
    "uvicorn.protocols.http.httptools_impl",
    "uvicorn.protocols.websockets.auto",
    "uvloop",
)
"""What the requirements list for catalogs and what serves them, and nothing else."""


def main() -> None:
    """Fork on request; each worker returns from `fork_supervisors` and goes on from here."""
    syscalls.prctl(syscalls.PR_SET_DUMPABLE, 0)
    for number in IGNORED_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    serve = importlib.import_module("evaluation.serving.serve")
    for name in LIBRARIES:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()
    request, isolation = fork_supervisors(socket.socket(fileno=int(sys.argv[1])))
    become_server(request, isolation)
    as_in_production = "--as-in-production" in request.options
    serve.main(
        request, lambda: sandbox.confine(request.isolation, isolation.uid, as_in_production=as_in_production)
    )


def fork_supervisors(requests: socket.socket) -> tuple[SpawnRequest, Isolation]:
    """Fork a supervisor for each request until the harness hangs up; return in workers alone."""
    supervisors: list[int] = []
    while True:
        request, descriptors, _, _ = socket.recv_fds(requests, 1 << 16, 4)
        if not request:
            break
        if not (supervisor := os.fork()):
            requests.close()
            return supervise(SpawnRequest(*json.loads(request), *descriptors))
        for descriptor in descriptors:
            os.close(descriptor)
        running = [one for one in supervisors if not os.waitpid(one, os.WNOHANG)[0]]
        supervisors = [supervisor, *running]
    for supervisor in supervisors:
        os.waitpid(supervisor, 0)
    raise SystemExit


def become_server(request: SpawnRequest, isolation: Isolation) -> None:
    """Give this process a session, namespaces, descriptors, environment and signals of its own."""
    os.setsid()
    if isolation.namespaces:
        isolation.namespaces.enter()
        os.chdir(ROOT)
    elif request.is_private:
        private.enter(Path(request.directory))
    close_all_but({0, 1, 2, request.listener, request.control})
    os.environ.clear()
    os.environ.update(request.environment)
    for number in IGNORED_SIGNALS:
        handler = signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL
        signal.signal(number, handler)


def close_all_but(kept: set[int]) -> None:
    """Hold no other file, socket or namespace."""
    for number in map(int, os.listdir("/proc/self/fd")):
        if number not in kept:
            # The listing itself was one of them.
            with suppress(OSError):
                os.close(number)


if __name__ == "__main__":
    main()
