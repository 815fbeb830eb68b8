"""The nurseries of a harness: serving processes are asked for here, and none outlives the block."""

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from evaluation.errors import CandidateError, InfrastructureError
from evaluation.runtime.cell import ROOT
from evaluation.runtime.janitor import Janitor
from evaluation.runtime.nursery import STOP_DEADLINE_S
from evaluation.runtime.sandbox import kind

MARK = "HOFAZ9_NURSERY"
PASSED_ON = ("PATH", "LANG", "TMPDIR", "PYTHONPATH")
BIRTH_DEADLINE_S = 60.0
GRACE_S = 5.0


class Child:
    """A serving process, as its keeper tells of it."""

    def __init__(self, life: socket.socket) -> None:
        self.returncode: int | None = None
        self.forsaken = False
        self._life = life
        self.pid = 0
        life.settimeout(BIRTH_DEADLINE_S)
        with suppress(TimeoutError):
            self.pid = int(life.recv(64) or 0)

    def fileno(self) -> int:
        """Readable once it has ended."""
        return self._life.fileno()

    def poll(self) -> int | None:
        """The exit status once it has ended, as subprocess.Popen gives it."""
        with suppress(TimeoutError):
            return self.wait(0)
        return None

    def wait(self, timeout_s: float | None = None) -> int:
        """The exit status, when nothing is left of it; TimeoutError when that takes longer."""
        if self.returncode is None:
            self._life.settimeout(timeout_s)
            try:
                said = self._life.recv(64)
            except BlockingIOError as error:
                raise TimeoutError from error
            # A keeper never ends without a word, unless it was killed.
            self.forsaken = not said
            self.returncode = int(said or -signal.SIGKILL)
        return self.returncode

    def kill(self) -> None:
        """Have it killed with all that it started; `stop` waits for that."""
        with suppress(OSError):
            self._life.send(b"!")

    def stop(self) -> None:
        """Have it asked to go, killed when it does not, and wait for its end and that of all it started."""
        with suppress(OSError):
            self._life.shutdown(socket.SHUT_WR)
        try:
            self.wait(STOP_DEADLINE_S + GRACE_S)
        except TimeoutError:
            self.forsaken = True
        self._life.close()


class Nursery:
    """The process that forks serving processes for one candidate."""

    def __init__(self, directory: Path, janitor: Janitor) -> None:
        self.directory = directory
        self.janitor = janitor
        self.mark = secrets.token_hex(16)
        self.has_served = False
        self.line, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "evaluation.runtime.nursery", str(theirs.fileno()), str(directory)],
                cwd=ROOT,
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        self.entry = janitor.process(self.process.pid)

    def environment(self) -> dict[str, str]:
        """What a process finds in its environment, in the nursery or born in it."""
        passed_on = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        return passed_on | {MARK: self.mark, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONUNBUFFERED": "1"}

    def bear(
        self, urls: dict[str, str], options: tuple[str, ...], listener: int, control: int, log: Path
    ) -> Child:
        """A new serving process; CandidateError when it does not come to life."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        request = json.dumps([str(self.directory), self.environment() | urls, options, kind()])
        with theirs, log.open("ab") as output:
            descriptors = [listener, control, output.fileno(), theirs.fileno()]
            with suppress(OSError):
                socket.send_fds(self.line, [request.encode()], descriptors)
        child = Child(ours)
        if not child.pid:
            ours.close()
            failure = self.failed(log)
            self.close()
            raise failure
        self.has_served = True
        return child

    def failed(self, log: Path) -> Exception:
        """Whose fault it is that nothing was born: ours only where no candidate has been near."""
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(1.0)
        if self.process.poll() is not None and not self.has_served:
            return InfrastructureError("the process that serving processes are forked from does not start")
        return CandidateError(f"the candidate cannot be served:\n{log.read_text(errors='replace')[-4000:]}")

    def is_alive(self) -> bool:
        """Whether it can be asked."""
        return self.process.poll() is None

    def close(self) -> None:
        """End it, and whatever has escaped from its keepers."""
        self.line.close()
        try:
            self.process.wait(STOP_DEADLINE_S + GRACE_S)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        for pid in processes_with(f"{MARK}={self.mark}"):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.janitor.withdraw(self.entry)


class Nurseries:
    """One nursery for each candidate, started when it is first wanted."""

    def __init__(self, janitor: Janitor) -> None:
        self.janitor = janitor
        self._standing: dict[Path, Nursery] = {}

    def of(self, directory: Path) -> Nursery:
        """The nursery of a candidate; a new one, when a candidate has broken the last."""
        nursery = self._standing.get(directory)
        if nursery and not nursery.is_alive():
            self.close(nursery)
            nursery = None
        if not nursery:
            nursery = self._standing[directory] = Nursery(directory, self.janitor)
        return nursery

    def close(self, nursery: Nursery) -> None:
        """End one nursery with all that was born in it."""
        if self._standing.get(nursery.directory) is nursery:
            del self._standing[nursery.directory]
            nursery.close()

    def __enter__(self) -> "Nurseries":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for nursery in list(self._standing.values()):
            self.close(nursery)


def processes_with(variable: str) -> list[int]:
    """Processes with `NAME=value` in their environment, which children keep that left everything else."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):
            if variable.encode() in path.read_bytes().split(b"\0"):
                found.append(int(path.parent.name))
    return found
