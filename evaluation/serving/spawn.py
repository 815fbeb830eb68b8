"""The harness's side of the forkservers: workers are spawned here, and none outlives the block."""

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from evaluation.errors import CandidateError, InfrastructureError
from evaluation.machine.environment import served
from evaluation.services.cleaner import Cleaner
from evaluation.serving.journal import journal
from evaluation.serving.namespaces import ROOT
from evaluation.serving.sandbox import is_private, kind
from evaluation.serving.supervisor import STOP_DEADLINE_S

MARK = "INVOCATION_ID"
"""Every process of a forkserver is known by it. Services of systemd have this variable too."""
AS_IN_PRODUCTION = "--as-in-production"
SPAWN_DEADLINE_S = 60.0
GRACE_S = 5.0


class ServingProcess:
    """A worker, as its supervisor reports it: first its pid, at the end its exit status."""

    def __init__(self, supervisor: socket.socket) -> None:
        self.returncode: int | None = None
        self.has_lost_supervisor = False
        self._supervisor = supervisor
        self.pid = 0
        supervisor.settimeout(SPAWN_DEADLINE_S)
        with suppress(TimeoutError):
            self.pid = int(supervisor.recv(64) or 0)

    def fileno(self) -> int:
        """Readable once it has ended."""
        return self._supervisor.fileno()

    def poll(self) -> int | None:
        """The exit status once it has ended, as subprocess.Popen gives it."""
        with suppress(TimeoutError):
            return self.wait(0)
        return None

    def wait(self, timeout_s: float | None = None) -> int:
        """The exit status, when nothing is left of it; TimeoutError when that takes longer."""
        if self.returncode is None:
            self._supervisor.settimeout(timeout_s)
            try:
                status = self._supervisor.recv(64)
            except BlockingIOError as error:
                raise TimeoutError from error
            # A supervisor always sends a status before it ends, unless it was killed.
            self.has_lost_supervisor = not status
            self.returncode = int(status or -signal.SIGKILL)
        return self.returncode

    def kill(self) -> None:
        """Have it killed with all that it started; `stop` waits for that."""
        with suppress(OSError):
            self._supervisor.send(b"!")

    def stop(self) -> None:
        """Have it stopped, killed if it does not stop, and wait for its end and that of all it started."""
        with suppress(OSError):
            self._supervisor.shutdown(socket.SHUT_WR)
        try:
            self.wait(STOP_DEADLINE_S + GRACE_S)
        except TimeoutError:
            self.has_lost_supervisor = True
        self._supervisor.close()


class ForkServer:
    """The process that forks workers for one candidate."""

    def __init__(self, directory: Path, cleaner: Cleaner) -> None:
        self.directory = directory
        self.cleaner = cleaner
        self.mark = secrets.token_hex(16)
        self.has_served = False
        self.requests, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "evaluation.serving.forkserver", str(theirs.fileno()), str(directory)],
                cwd=ROOT,
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        self.entry = cleaner.process(self.process.pid)

    def environment(self) -> dict[str, str]:
        """The environment of the forkserver and of every process that it forks."""
        return served() | {MARK: self.mark, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONUNBUFFERED": "1"}

    def spawn(
        self, urls: dict[str, str], options: tuple[str, ...], listener: int, control: int, log: Path
    ) -> ServingProcess:
        """A new worker; CandidateError when it does not start."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        request = json.dumps([str(self.directory), self.environment() | urls, options, kind(), is_private()])
        with theirs, journal(log) if AS_IN_PRODUCTION in options else log.open("ab") as output:
            descriptors = [listener, control, output.fileno(), theirs.fileno()]
            with suppress(OSError):
                socket.send_fds(self.requests, [request.encode()], descriptors)
        process = ServingProcess(ours)
        if not process.pid:
            ours.close()
            failure = self.failed(log)
            self.close()
            raise failure
        self.has_served = True
        return process

    def failed(self, log: Path) -> Exception:
        """Whose fault it is that nothing started: ours only if this process never served the candidate."""
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(1.0)
        if self.process.poll() is not None and not self.has_served:
            return InfrastructureError("the process that workers are forked from does not start")
        return CandidateError(f"the candidate cannot be served:\n{log.read_text(errors='replace')[-4000:]}")

    def is_alive(self) -> bool:
        """Whether it takes requests."""
        return self.process.poll() is None

    def close(self) -> None:
        """End it, and every process that has escaped from its supervisors."""
        self.requests.close()
        try:
            self.process.wait(STOP_DEADLINE_S + GRACE_S)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        for pid in processes_with(f"{MARK}={self.mark}"):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.cleaner.withdraw(self.entry)


class ForkServers:
    """One forkserver for each candidate, started when it is first needed."""

    def __init__(self, cleaner: Cleaner) -> None:
        self.cleaner = cleaner
        self._running: dict[Path, ForkServer] = {}
        self._lock = threading.RLock()

    def of(self, directory: Path) -> ForkServer:
        """The forkserver of a candidate; a new one if a candidate has broken the last."""
        # A candidate is served by several threads at a time.
        with self._lock:
            forkserver = self._running.get(directory)
            if forkserver and not forkserver.is_alive():
                self.close(forkserver)
                forkserver = None
            if not forkserver:
                forkserver = self._running[directory] = ForkServer(directory, self.cleaner)
            return forkserver

    def close(self, forkserver: ForkServer) -> None:
        """End one forkserver with all that it spawned."""
        with self._lock:
            if self._running.get(forkserver.directory) is forkserver:
                del self._running[forkserver.directory]
                forkserver.close()

    def kill_servers(self) -> None:
        """Kill all workers at once; their supervisors clean up."""
        for forkserver in list(self._running.values()):
            for pid in processes_with(f"{MARK}={forkserver.mark}"):
                with suppress(ProcessLookupError):
                    if os.getpgid(pid) != forkserver.process.pid:
                        os.kill(pid, signal.SIGKILL)

    def __enter__(self) -> "ForkServers":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for forkserver in list(self._running.values()):
            self.close(forkserver)


def processes_with(variable: str) -> list[int]:
    """Processes with `NAME=value` in their environment; a child keeps it, whatever else it changes."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):
            if variable.encode() in path.read_bytes().split(b"\0"):
                found.append(int(path.parent.name))
    return found
