"""The cleaner: a process that removes everything the harness has created, however the harness ends.

The harness holds the only write end of a pipe, and registers through it what it creates. At end of file (the
harness closed the pipe, crashed, or was killed) the cleaner stops and removes everything registered.
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
        """Register a process group, and the signal that stops it."""
        return self._send({"process": pid, "signal": int(first_signal)})

    def folder(self, path: Path) -> Entry:
        """Register a folder with everything in it."""
        return self._send({"folder": str(path)})

    def command(self, arguments: list[str]) -> Entry:
        """Register a command that removes something; it runs in this repository."""
        return self._send({"command": arguments})

    def database(self, name: str, admin_url: str) -> Entry:
        """Register a database on a server that may outlive the harness."""
        return self._send({"database": name, "url": admin_url})

    def role(self, name: str, admin_url: str) -> Entry:
        """Register a role on a server that may outlive the harness."""
        return self._send({"role": name, "url": admin_url})

    def withdraw(self, entry: Entry) -> None:
        """Unregister something that is gone; its process number may be reused."""
        self._send({"withdraw": entry})

    def close(self) -> None:
        """Let the cleaner remove everything that is still registered, and wait for its end."""
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
            raise InfrastructureError("the cleaner has ended: run the command again") from error
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
    """Read entries until the harness is gone, then remove everything, the newest first."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    for entry in reversed(registered_entries(sys.stdin)):
        remove(entry)


def registered_entries(lines: Iterable[str]) -> list[Entry]:
    """All entries that were registered and not withdrawn; a line that a crash cut short is ignored."""
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
    """Remove what one entry names, if it still exists."""
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
    """Stop a process group with its own signal, then with SIGQUIT, then with SIGKILL."""
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
    """Whether the process runs; a zombie does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def run_sql(url: str, statement: str) -> None:
    """Run one statement; ignore a server that is gone by now."""
    import psycopg

    with (
        contextlib.suppress(psycopg.Error),
        psycopg.connect(url, autocommit=True, connect_timeout=2) as connection,
    ):
        connection.execute(statement.encode())


@functools.cache
def answers(url: str) -> bool:
    """Whether a server answers; cached, because the lookup of a host that is gone takes long."""
    import psycopg

    try:
        psycopg.connect(url, connect_timeout=2).close()
    except psycopg.Error:
        return False
    return True


if __name__ == "__main__":
    main()
