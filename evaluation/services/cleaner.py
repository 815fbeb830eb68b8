"""The cleaner: a process that removes what the harness has made, however the harness ends.

The harness holds the only write end of a pipe and registers what it makes. At end of file (the harness
closed the pipe, crashed, or was killed) the cleaner stops and removes everything that is registered.
"""

import contextlib
import functools
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any

from evaluation.errors import InfrastructureError

Entry = dict[str, Any]

ROOT = Path(__file__).parents[2]
STOP_DEADLINE_S = 5.0


class Cleaner:
    """The harness's side: registers everything that must not outlive the harness."""

    def __init__(self) -> None:
        self.child = subprocess.Popen(
            [sys.executable, "-m", "evaluation.services.cleaner"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            start_new_session=True,
        )

    def process(self, pid: int, first_signal: signal.Signals = signal.SIGTERM) -> Entry:
        """A process group, and the signal that stops it."""
        return self._send({"process": pid, "signal": int(first_signal)})

    def folder(self, path: Path) -> Entry:
        """A folder with everything in it."""
        return self._send({"folder": str(path)})

    def command(self, arguments: list[str]) -> Entry:
        """A command line that removes something, run in this repository."""
        return self._send({"command": arguments})

    def database(self, name: str, admin_url: str) -> Entry:
        """A database on a server that may outlive us."""
        return self._send({"database": name, "url": admin_url})

    def role(self, name: str, admin_url: str) -> Entry:
        """A role on a server that may outlive us."""
        return self._send({"role": name, "url": admin_url})

    def withdraw(self, entry: Entry) -> None:
        """Unregister what a call above returned: it is gone, and its number may be reused."""
        self._send({"withdraw": entry})

    def close(self) -> None:
        """Have everything removed that is still registered, and wait for that."""
        assert self.child.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self.child.stdin.close()
        self.child.wait()

    def _send(self, entry: Entry) -> Entry:
        assert self.child.stdin is not None
        try:
            self.child.stdin.write(json.dumps(entry).encode() + b"\n")
            self.child.stdin.flush()
        except BrokenPipeError as error:
            raise InfrastructureError("the cleaner process is gone: start again") from error
        return entry

    def __enter__(self) -> "Cleaner":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def main() -> None:
    """Read until the harness is gone, then remove everything, the newest first."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    for entry in reversed(registered_entries(sys.stdin)):
        remove(entry)


def registered_entries(lines: Iterable[str]) -> list[Entry]:
    """What was registered and not withdrawn; a line that a crash cut short is ignored."""
    entries: list[Entry] = []
    for line in lines:
        with contextlib.suppress(json.JSONDecodeError):
            entry = json.loads(line)
            if "withdraw" not in entry:
                entries.append(entry)
            elif entry["withdraw"] in entries:
                entries.remove(entry["withdraw"])
    return entries


def remove(entry: Entry) -> None:
    """Remove one thing, if it is still there."""
    if "process" in entry:
        stop(entry["process"], entry["signal"])
    elif "folder" in entry:
        shutil.rmtree(entry["folder"], ignore_errors=True)
    elif "command" in entry:
        subprocess.run(entry["command"], cwd=ROOT, stdin=subprocess.DEVNULL, check=False)
    elif not answers(entry["url"]):
        return
    elif "database" in entry:
        run_sql(entry["url"], f'DROP DATABASE IF EXISTS "{entry["database"]}" WITH (FORCE)')
    else:
        run_sql(entry["url"], f'DROP ROLE IF EXISTS "{entry["role"]}"')


def stop(pid: int, first_signal: int) -> None:
    """Stop a process group: by its own signal, then by SIGQUIT, then by SIGKILL."""
    for number in (first_signal, signal.SIGQUIT, signal.SIGKILL):
        if not is_alive(pid):
            break
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, number)
        deadline = time.monotonic() + STOP_DEADLINE_S
        while is_alive(pid) and time.monotonic() < deadline:
            time.sleep(0.02)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def is_alive(pid: int) -> bool:
    """Whether the process runs; one that only waits to be reaped does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def run_sql(url: str, statement: str) -> None:
    """Run one statement on a server that may be gone by now."""
    import psycopg

    with (
        contextlib.suppress(psycopg.Error),
        psycopg.connect(url, autocommit=True, connect_timeout=2) as connection,
    ):
        connection.execute(statement.encode())


@functools.cache
def answers(url: str) -> bool:
    """Whether a server answers; asked once, for looking up the name of a host that is gone takes long."""
    import psycopg

    try:
        psycopg.connect(url, connect_timeout=2).close()
    except psycopg.Error:
        return False
    return True


if __name__ == "__main__":
    main()
