"""A running candidate, seen from the harness."""

import contextlib
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from evaluation.errors import CandidateError, ProbeSilencedError
from evaluation.runtime.janitor import Janitor
from evaluation.runtime.sandbox import wrapped

ROOT = Path(__file__).parents[2]
START_DEADLINE_S = 60.0
MARK = "HOFAZ9_SERVER"
FREE_PORT = ("127.0.0.1", 0)
STOP_DEADLINE_S = 8.0


class Server:
    """One serving process: where it listens, what it logs, what its probe says."""

    def __init__(
        self,
        directory: Path,
        process: subprocess.Popen[bytes],
        port: int,
        control: socket.socket,
        log: Path,
        mark: str,
    ) -> None:
        self.mark = mark
        self.directory = directory
        self.process = process
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.log = log
        self._control = control.makefile("rw")

    def ask(self, question: str, **details: Any) -> dict[str, Any]:
        """Ask the probe; see `Probe.answer`. CandidateError when it is gone, with the process or alone."""
        try:
            self._control.write(json.dumps({"ask": question, **details}) + "\n")
            self._control.flush()
            answer: dict[str, Any] = json.loads(self._control.readline())
        except (OSError, ValueError) as error:
            if self.process.poll() is not None:
                raise CandidateError(f"the candidate has ended:\n{self.log_text()[-2000:]}") from error
            raise ProbeSilencedError("the probe in the serving process does not answer") from error
        return answer

    def log_text(self) -> str:
        """Everything the candidate has printed and logged so far."""
        return self.log.read_text(errors="replace")

    def threads(self) -> int:
        """How many threads the serving process has."""
        return len(os.listdir(f"/proc/{self.pid()}/task"))

    def pid(self) -> int:
        """The serving process itself, inside whatever it is wrapped in."""
        pid = self.process.pid
        while children := Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            pid = int(children[0])
        return pid

    def cpu_seconds(self) -> float:
        """CPU time of the serving process so far."""
        fields = Path(f"/proc/{self.pid()}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def peak_mb(self) -> float:
        """The most memory the serving process has had, in MB."""
        status = Path(f"/proc/{self.pid()}/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) / 1000

    def wait_until_ready(self) -> None:
        """Wait for the import, then for /health; CandidateError says which failed and why."""
        line = self._control.readline()
        said = json.loads(line) if line else {"failed": self.log_text()[-4000:]}
        if "failed" in said:
            raise CandidateError(f"the candidate cannot be imported or set up:\n{said['failed']}")
        deadline = time.monotonic() + START_DEADLINE_S
        while not self.is_healthy():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise CandidateError(
                    f"the candidate does not start (GET /health):\n{self.log_text()[-4000:]}"
                )
            time.sleep(0.01)

    def is_healthy(self) -> bool:
        """Whether GET /health answers 200."""
        try:
            with urllib.request.urlopen(f"{self.url}/health", timeout=5) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def stop(self) -> None:
        """Ask it to go, then see to it that its whole process group has gone."""
        for number, patience_s in ((signal.SIGTERM, STOP_DEADLINE_S), (signal.SIGKILL, 5.0)):
            try:
                os.killpg(self.process.pid, number)
                self.process.wait(patience_s)
            except (ProcessLookupError, subprocess.TimeoutExpired):
                continue
        with contextlib.suppress(OSError):
            self._control.close()
        for pid in processes_with(f"{MARK}={self.mark}"):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def processes_with(variable: str) -> list[int]:
    """Processes with `NAME=value` in their environment: children that left the process group keep it."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if variable.encode() in path.read_bytes().split(b"\0"):
                found.append(int(path.parent.name))
    return found


@contextmanager
def serving(
    directory: Path,
    database_url: str,
    redis_url: str,
    log: Path,
    janitor: Janitor,
    *,
    options: tuple[str, ...] = (),
    address: tuple[str, int] = FREE_PORT,
) -> Iterator[Server]:
    """Serve a candidate at an address while the block lasts; `options` are serve.py's."""
    listener = socket.create_server(address, backlog=2048)
    ours, theirs = socket.socketpair()
    ours.settimeout(START_DEADLINE_S)
    environment = {
        name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR", "PYTHONPATH") if name in os.environ
    }
    environment |= {
        MARK: (mark := secrets.token_hex(16)),
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
    }
    directory = directory.resolve()
    command = [sys.executable, "-m", "evaluation.runtime.serve", str(directory)]
    command += ["--listen", str(listener.fileno()), "--control", str(theirs.fileno())]
    command += options
    with log.open("ab") as output:
        process = subprocess.Popen(
            wrapped(command, directory),
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            pass_fds=(listener.fileno(), theirs.fileno()),
            start_new_session=True,
        )
    janitor.process(process.pid)
    port = listener.getsockname()[1]
    listener.close()
    theirs.close()
    server = Server(directory, process, port, ours, log, mark)
    try:
        server.wait_until_ready()
        yield server
    finally:
        server.stop()
        ours.close()
