"""A scheduler, workers and gradings as processes on 127.0.0.1, and a store that knows both sides."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from distributed import Client

from evaluation.candidates import store
from evaluation.candidates.folder import content_digest
from evaluation.cluster.workers import connected_workers
from evaluation.measure.settings import Settings
from evaluation.pipeline import BASELINE, REFERENCE, ROOT
from evaluation.records import CaseResult, Measured, SuiteRun
from evaluation.report import committed
from evaluation.services.cleaner import is_alive

DEADLINE_S = 150.0
"""Far more than any of these gradings takes."""
DASK = [sys.executable, "-m", "dask"]
WORKER = [sys.executable, "-m", "evaluation.cluster.worker"]
GRADE = [sys.executable, "evaluation/evaluation.py", "grade"]
FAILS_AFTER_S = 6
SETTINGS = Settings(size="small", with_load=False)


def fails_at_import(reason: str) -> str:
    """A patch whose candidate fails some seconds after it began: time enough to end its worker."""
    first, *_ = (BASELINE / "database.py").read_text().splitlines()
    header = "diff --git a/database.py b/database.py\n--- a/database.py\n+++ b/database.py\n@@ -1 +1,3 @@\n"
    waits = f"__import__('time').sleep({FAILS_AFTER_S})"
    return f"{header}+{waits}\n+raise RuntimeError({reason!r})\n {first}\n"


def until(holds: Callable[[], object], what: str, deadline_s: float = DEADLINE_S) -> Any:
    """Wait until something holds; return it."""
    deadline = time.monotonic() + deadline_s
    while not (found := holds()):
        assert time.monotonic() < deadline, f"after {deadline_s} s: {what}"
        time.sleep(0.1)
    return found


class Program:
    """A process with a store, whose output is read as it comes."""

    def __init__(self, command: Sequence[object], cache: Path, folder: Path = ROOT, **variables: Any) -> None:
        own = {name: str(value) for name, value in variables.items()} | {"HOFAZ9_CACHE": str(cache)}
        self.process = subprocess.Popen(
            list(map(str, command)),
            cwd=folder,
            env={**os.environ, **own},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.pid = self.process.pid
        self.lines: list[str] = []
        self.reader = threading.Thread(target=self.read)
        self.reader.start()

    def read(self) -> None:
        """Read until the end."""
        assert self.process.stdout is not None
        with self.process.stdout as lines:
            self.lines.extend(lines)

    @property
    def text(self) -> str:
        """All that was printed so far."""
        return "".join(self.lines)

    def says(self, text: str) -> None:
        """Wait until a text was printed."""
        until(lambda: text in self.text or not is_alive(self.pid), f"{text!r} is not in {self.lines}")
        assert text in self.text, self.text

    def status(self, deadline_s: float = DEADLINE_S) -> int:
        """Wait for the end; the exit status."""
        status = self.process.wait(deadline_s)
        self.reader.join()
        return status

    def end(self, number: int = signal.SIGKILL) -> None:
        """End the process, if it runs, and wait until it has ended."""
        self.process.send_signal(number)
        self.status()


@contextmanager
def program(
    command: Sequence[object], cache: Path, folder: Path = ROOT, **variables: Any
) -> Iterator[Program]:
    """Run a program until the block ends."""
    started = Program(command, cache, folder, **variables)
    try:
        yield started
    finally:
        started.end()


@contextmanager
def scheduler(folder: Path, *options: object, **variables: Any) -> Iterator[tuple[str, Program]]:
    """A scheduler that runs until the block ends, and its address."""
    file = folder / "scheduler.json"
    file.unlink(missing_ok=True)
    command = [*DASK, "scheduler", "--host", "127.0.0.1", "--port", 0, "--no-dashboard"]
    with program([*command, "--scheduler-file", file, *options], folder, **variables) as one:
        until(file.is_file, "the scheduler does not start")
        yield until(lambda: json.loads(file.read_text() or "{}"), "no address")["address"], one


class Cluster:
    """A scheduler, and whatever is started for it; workers make their folders in `scratch`."""

    def __init__(self, address: str, cache: Path, scratch: Path) -> None:
        self.address = address
        self.cache = cache
        self.scratch = scratch
        self.client = Client(address, set_as_default=False)

    @contextmanager
    def workers(self, number: int) -> Iterator[dict[str, Program]]:
        """So many workers, by their addresses."""
        before = set(self.addresses())
        programs = [Program([*WORKER, self.address], self.cache, TMPDIR=self.scratch) for _ in range(number)]
        try:
            until(lambda: len(set(self.addresses()) - before) == number, "the workers do not come")
            pids = self.client.run(os.getpid)
            yield {address: one for address, pid in pids.items() for one in programs if one.pid == pid}
        finally:
            for one in programs:
                one.end()

    def addresses(self) -> list[str]:
        """The workers that are connected."""
        return list(connected_workers(self.client))

    def grading(self, *arguments: object, cache: Path | None = None) -> Program:
        """Start `grade`."""
        options = ["--scheduler", self.address, "--size", "small"]
        return Program([*GRADE, *arguments, *options], cache or self.cache)

    def grades(self, name: str) -> str | None:
        """The worker that a submission is with, whose process has been started; None when there is none."""
        for address, keys in self.client.processing().items():
            if any(str(key).endswith(f"-{name}") for key in keys) and self.graders(address):
                return str(address)
        return None

    def folders(self) -> list[Path]:
        """What gradings and their services have left, and workers that have ended."""
        own = [path for path in self.scratch.iterdir() if path.name.startswith("hofaz9-worker-")]
        ended = len(own) - len(self.addresses())
        return [path for path in self.scratch.iterdir() if path not in own] + own[:ended]

    def graders(self, address: str) -> list[int]:
        """The processes that grade on a worker: all that it started but its cleaner."""
        [pid] = self.client.run(os.getpid, workers=[address]).values()
        return [child for child in children(pid) if "cleaner" not in command(child)]


def command(pid: int) -> str:
    """The command line of a process; nothing when it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""


def children(pid: int) -> list[int]:
    """The child processes of a process."""
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for file in tasks for child in file.read_text().split()]


def predictions(folder: Path, rows: dict[str, str]) -> Path:
    """A file of predictions: the patch of each model."""
    path = folder / "predictions.jsonl"
    lines = [
        json.dumps({"instance_id": "HOFAZ9", "model_name_or_path": name, "model_patch": patch})
        for name, patch in rows.items()
    ]
    path.write_text("\n".join(lines))
    return path


def outcomes(folder: Path) -> dict[str, str]:
    """The outcomes in the reports of a folder, by name."""
    found = {path.parent.name: json.loads(path.read_text()) for path in folder.glob("*/report.json")}
    return {name: report["outcome"] for name, report in found.items()}


def remember_both_sides(folder: Path) -> None:
    """Put baseline and reference into the store of a folder, for it takes minutes to measure them."""
    conditions = SETTINGS.conditions()
    lists = committed.instance()
    for catalog, passes in ((BASELINE, ("PASS_TO_PASS",)), (REFERENCE, committed.LISTS)):
        tests = [
            CaseResult(
                test,
                "passed" if name in passes else "failed",
                None,
                level="hardening" if name == "HARDENING" else "specified",
            )
            for name in committed.LISTS
            for test in lists[name]
        ]
        digest = content_digest(catalog)
        measured = Measured(catalog.name, SuiteRun(0, tuple(tests), 1.0), (), (), content=digest)
        store.keep(store.key(conditions, SETTINGS.with_load, digest), measured, folder)
