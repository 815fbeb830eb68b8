"""A running candidate, as the harness sees it."""

import contextlib
import json
import os
import select
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from evaluation.errors import CandidateError, ProbeSilencedError
from evaluation.serving.connection import AnswerError, Connection, LimitedSocket
from evaluation.serving.spawn import ForkServers, ServingProcess

START_DEADLINE_S = 60.0
HEALTH_DEADLINE_S = 5.0
GONE_WITHIN_S = 1.0
LONGEST_LOG_BYTES, KEPT_LOG_BYTES = 32 << 20, 1 << 20
ANSWERS: dict[str, type] = {"statements": list, "count": int, "listening": bool}
"""What the probe's answers to these questions hold, under the name of the question."""
FREE_PORT = ("127.0.0.1", 0)


class Server:
    """One worker: its port, its log, its probe, its use of CPU and memory."""

    def __init__(
        self,
        directory: Path,
        process: ServingProcess,
        port: int,
        control: LimitedSocket,
        log: Path,
    ) -> None:
        self.directory = directory
        self.process = process
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.log = log
        self._socket = control
        self._control = control.makefile("rwb")

    def ask(self, question: str, **details: Any) -> dict[str, Any]:
        """Ask the probe (see `Probe.answer`); CandidateError when it or the process no longer answers."""
        try:
            self._socket.allow(START_DEADLINE_S)
            self._control.write(json.dumps({"ask": question, **details}).encode() + b"\n")
            self._control.flush()
            answer = self._message()
            is_answer = isinstance(answer.get(question), ANSWERS.get(question, object))
            if not is_answer:
                raise ValueError(f"no answer to {question}")
        except (OSError, ValueError, RecursionError) as error:
            silenced = ProbeSilencedError("the probe in the worker does not answer")
            raise self.ended() or silenced from error
        return answer

    def ended(self) -> CandidateError | None:
        """The error for a process that has ended; None while it runs."""
        with contextlib.suppress(TimeoutError):
            status = self.process.wait(GONE_WITHIN_S)
            return CandidateError(f"the candidate has ended (status {status}):\n{self.log_text()[-2000:]}")
        return None

    def _message(self) -> dict[str, Any]:
        """One message from the worker; ValueError when there is none, as after its end."""
        sources: list[Any] = [self._socket, self.process]
        ready, _, _ = select.select(sources, [], [], START_DEADLINE_S)
        message = json.loads(self._control.readline() if self._socket in ready else b"")
        if type(message) is not dict:
            raise ValueError(f"not a message: {message!r:.80}")
        return message

    def log_text(self, since: int = 0) -> str:
        """What the candidate has printed and logged after so many bytes; of a very long log the end."""
        return end_of(self.log, LONGEST_LOG_BYTES, since).decode(errors="replace")

    def threads(self) -> int:
        """The number of threads in the worker."""
        return len(os.listdir(f"/proc/{self.process.pid}/task"))

    def cpu_seconds(self) -> float:
        """CPU time that the worker has used so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def peak_mb(self) -> float:
        """The highest memory use of the worker so far, in MB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) / 1000

    def wait_until_ready(self) -> None:
        """Wait for the import, then for /health; CandidateError with the reason when one of them fails."""
        try:
            self._socket.allow(START_DEADLINE_S)
            message = self._message()
        except (OSError, ValueError, RecursionError):
            message = {"failed": self.log_text()[-4000:]}
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
        with contextlib.closing(Connection(self.port, HEALTH_DEADLINE_S)) as connection:
            try:
                return connection.get("/health").status == 200
            except AnswerError:
                return False

    def stop(self) -> None:
        """Stop the process and every process that it started."""
        with contextlib.suppress(OSError):
            self._control.close()
        self.process.stop()
        if self.log.stat().st_size > LONGEST_LOG_BYTES:
            self.log.write_bytes(end_of(self.log, KEPT_LOG_BYTES))


def end_of(path: Path, most: int, since: int = 0) -> bytes:
    """The last bytes of a file, of those after the first `since`."""
    with path.open("rb") as file:
        file.seek(max(since, path.stat().st_size - most))
        return file.read(most)


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
    pair, theirs = socket.socketpair()
    with LimitedSocket(fileno=pair.detach()) as ours:
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
