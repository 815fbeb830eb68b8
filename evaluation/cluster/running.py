"""Runs gradings on a worker: each is a process that ends with its task, and with the worker."""

import json
import os
import pickle
import signal
import subprocess
import sys
import time
from threading import Lock, Timer
from typing import Any, cast

from distributed import Worker, WorkerPlugin, get_worker

from evaluation.candidates.store import Graded
from evaluation.candidates.submissions import Submission
from evaluation.errors import InfrastructureError
from evaluation.measure.settings import Settings
from evaluation.pipeline import ROOT

TIED = [sys.executable, "-m", "evaluation.services.tied"]
"""The kernel kills the process when the worker is killed; its cleaner removes what it made."""
GRADING = [sys.executable, "-m", "evaluation.cluster.grading"]
ENDED = '{"failure": "the process that graded was killed"}'
STARTED = ("executing", "long-running")
GRACE_S = 20.0
"""Within this time a grading that is interrupted has removed everything; then it is killed."""


class Gradings(WorkerPlugin):
    """The gradings that run on a worker. Dask ends no thread: a cancelled task is told to us."""

    name = "gradings"

    def __init__(self) -> None:
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.cancelled: set[str] = set()
        self.lock = Lock()

    def transition(self, key: Any, start: str, finish: str, **_: Any) -> None:
        """End the grading of a task that nobody wants any more."""
        if start in STARTED and finish == "released":
            self.end(str(key))

    def teardown(self, worker: Worker) -> None:
        """End all gradings, because the worker closes."""
        for key in list(self.processes):
            self.end(key)

    def end(self, key: str) -> None:
        """Interrupt a grading, which may not have begun; kill it when it takes too long to end."""
        with self.lock:
            self.cancelled.add(key)
            if process := self.processes.get(key):
                process.send_signal(signal.SIGINT)
                killer = Timer(GRACE_S, process.kill)
                killer.daemon = True
                killer.start()

    def run(self, key: str, task: bytes) -> bytes:
        """Run a grading to its end; return its answer, which is empty when it was ended."""
        with self.lock:
            if key in self.cancelled:
                self.cancelled.remove(key)
                return b""
            command = [*TIED, str(os.getpid()), *GRADING]
            process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            self.processes[key] = process
        try:
            return process.communicate(task)[0]
        finally:
            process.kill()
            with self.lock:
                del self.processes[key]
                self.cancelled.discard(key)


def grade_here(submission: Submission, settings: Settings) -> Graded:
    """Grade a submission on this worker; InfrastructureError with the reason when there is no report."""
    worker, started = get_worker(), time.monotonic()
    gradings = cast(Gradings, worker.plugins[Gradings.name])
    answer = gradings.run(str(worker.get_current_task()), pickle.dumps((submission, settings)))
    found: dict[str, Any] = json.loads(answer or ENDED)
    if "failure" in found:
        raise InfrastructureError(f"{worker.address}: {found['failure']}")
    return Graded(worker.address, round(time.monotonic() - started, 1), found["report"])
