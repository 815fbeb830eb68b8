"""A running candidate, as the harness sees it."""

import contextlib
import json
import os
import select
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from evaluation.errors import CandidateError, ProbeSilencedError
from evaluation.serving.spawn import ForkServers, ServingProcess

START_DEADLINE_S = 60.0
GONE_WITHIN_S = 1.0
FREE_PORT = ("127.0.0.1", 0)


class Server:
    """One serving process: its port, its log, its probe, its use of CPU and memory."""

    def __init__(
        self,
        directory: Path,
        process: ServingProcess,
        port: int,
        control: socket.socket,
        log: Path,
    ) -> None:
        self.directory = directory
        self.process = process
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.log = log
        self._socket = control
        self._control = control.makefile("rw")

    def ask(self, question: str, **details: Any) -> dict[str, Any]:
        """Ask the probe (see `Probe.answer`); CandidateError when it or the process no longer answers."""
        try:
            self._control.write(json.dumps({"ask": question, **details}) + "\n")
            self._control.flush()
            answer: dict[str, Any] = json.loads(self._read_line())
        except (OSError, ValueError) as error:
            with contextlib.suppress(TimeoutError):
                self.process.wait(GONE_WITHIN_S)
                raise CandidateError(f"the candidate has ended:\n{self.log_text()[-2000:]}") from error
            raise ProbeSilencedError("the probe in the serving process does not answer") from error
        return answer

    def _read_line(self) -> str:
        """One line from the serving process; an empty string when the process ends before it sends one."""
        sources: list[Any] = [self._socket, self.process]
        ready, _, _ = select.select(sources, [], [], START_DEADLINE_S)
        return self._control.readline() if self._socket in ready else ""

    def log_text(self) -> str:
        """Everything the candidate has printed and logged so far."""
        return self.log.read_text(errors="replace")

    def threads(self) -> int:
        """The number of threads in the serving process."""
        return len(os.listdir(f"/proc/{self.process.pid}/task"))

    def cpu_seconds(self) -> float:
        """CPU time that the serving process has used so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def peak_mb(self) -> float:
        """The highest memory use of the serving process so far, in MB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) / 1000

    def wait_until_ready(self) -> None:
        """Wait for the import, then for /health; CandidateError with the reason when one of them fails."""
        line = ""
        with contextlib.suppress(OSError):
            line = self._read_line()
        message = json.loads(line) if line else {"failed": self.log_text()[-4000:]}
        if "failed" in message:
            raise CandidateError(f"the candidate cannot be imported or set up:\n{message['failed']}")
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
        """Stop the process and every process that it started."""
        with contextlib.suppress(OSError):
            self._control.close()
        self.process.stop()


@contextmanager
def serving(
    directory: Path,
    database_url: str,
    redis_url: str,
    log: Path,
    forkservers: ForkServers,
    *,
    options: tuple[str, ...] = (),
    address: tuple[str, int] = FREE_PORT,
) -> Iterator[Server]:
    """Serve a candidate at an address while the block runs; `options` are those of `serve.py`."""
    directory = directory.resolve()
    urls = {"DATABASE_URL": database_url, "REDIS_URL": redis_url}
    forkserver = forkservers.of(directory)
    ours, theirs = socket.socketpair()
    ours.settimeout(START_DEADLINE_S)
    with ours:
        with theirs, socket.create_server(address, backlog=2048) as listener:
            port = listener.getsockname()[1]
            process = forkserver.spawn(urls, options, listener.fileno(), theirs.fileno(), log)
        server = Server(directory, process, port, ours, log)
        try:
            server.wait_until_ready()
            yield server
        finally:
            server.stop()
            if process.has_lost_supervisor:
                forkservers.close(forkserver)
