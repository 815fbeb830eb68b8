"""Spreads submissions over the workers of a Dask scheduler, and yields each report as soon as it is known.

Dask chooses the worker, and begins a submission anew elsewhere when its worker dies. No worker is handed a
second submission before its first has ended, because Dask blames a death on every task that the worker holds.
"""

import logging
import secrets
import time
from collections import deque
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from distributed import CancelledError, Client, Future, KilledWorker, Scheduler, Security, TimeoutError, wait
from distributed.comm.addressing import get_address_host_port

from evaluation.candidates import store
from evaluation.candidates.store import Graded
from evaluation.candidates.submissions import Submission
from evaluation.cluster import alike
from evaluation.cluster.running import grade_here
from evaluation.cluster.ungraded import ungraded
from evaluation.cluster.workers import POLL_S, Workers
from evaluation.errors import InfrastructureError, UsageError
from evaluation.measure.settings import Progress, Settings

CONNECT_S = 5.0
TRIES = 3
"""So many workers may die of a submission, or fail to grade it; then it has no verdict."""
LOGS = ("distributed", "distributed.client")
LOST = "the scheduler has ended: run the same command again to go on"

Report = tuple[Submission, dict[str, Any]]
Result = tuple[Submission, dict[str, Any], str]
"""A submission, its report, and in words where that is from."""


def spread(
    address: str, submissions: list[Submission], settings: Settings, progress: Progress
) -> Generator[Report, None, None]:
    """Each submission with its report, in the order in which they end; nothing runs on after the end.

    UsageError when no scheduler answers, or when it has no worker that is as we are.
    """
    with connected(address) as client:
        workers = Workers(client, alike.here(), progress)
        workers.wait()
        run = Run(client, workers, settings)
        try:
            for number, (one, report, how) in enumerate(run.results(submissions), 1):
                progress(f"{number} of {len(submissions)}, {one.name}: {report['outcome']}, {how}")
                yield one, report
        except (OSError, CancelledError) as error:
            # We cancel nothing before the end: Dask does, when it has lost the scheduler.
            raise InfrastructureError(f"{LOST} ({error})") from error
        finally:
            client.cancel(list(run.running), force=True)


@contextmanager
def connected(address: str) -> Iterator[Client]:
    """A connection to the scheduler; a connection that is lost is told by us, and not by Dask's log."""
    for name in LOGS:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        see_address(address)
        client = Client(address, timeout=CONNECT_S)
    except (OSError, ValueError, TypeError, RuntimeError) as error:
        reason = str(error) or type(error).__name__
        raise UsageError(f"no scheduler answers at {address}: {reason}") from error
    with client:
        client.run_on_scheduler(allow_deaths())
        yield client


def see_address(address: str) -> None:
    """Refuse what Dask's client cannot take, which then takes long to go; ValueError with the reason."""
    get_address_host_port(address, strict=True)
    if address.startswith("tls:") and not Security().get_connection_args("client")["ssl_context"]:
        raise ValueError("no certificates are given, see docs/scale.md")


def allow_deaths() -> Any:
    """A function for the scheduler, which need not have this project: it is sent whole."""
    deaths = TRIES - 1

    def allow(dask_scheduler: Scheduler) -> None:
        dask_scheduler.allowed_failures = deaths

    return allow


def reason_of(error: BaseException) -> str:
    """Why no worker could grade a submission."""
    if isinstance(error, KilledWorker):
        return f"{TRIES} workers died while they graded it, the last at {error.last_worker.address}"
    return f"{TRIES} tries failed, the last with: {error or type(error).__name__}"


class Run:
    """One run: what is being graded now, and the store of what has been."""

    def __init__(self, client: Client, workers: Workers, settings: Settings) -> None:
        self.client = client
        self.workers = workers
        self.settings = settings
        self.name = secrets.token_hex(4)
        self.running: dict[Future[Graded], Submission] = {}

    def results(self, submissions: list[Submission]) -> Iterator[Result]:
        """Results from the store, and of the workers as soon as each is known."""
        waiting = deque(submissions)
        while waiting or self.running:
            free = self.workers.count() - len(self.running)
            while waiting and free > 0:
                one = waiting.popleft()
                if known := self.recalled(one):
                    yield one, known, "graded earlier"
                else:
                    self.begin(one)
                    free -= 1
            for future in self.ended():
                one = self.running.pop(future)
                report, how = self.result(future, one)
                yield one, report, how

    def begin(self, one: Submission) -> None:
        """Hand a submission to Dask."""
        future = self.client.submit(
            grade_here,
            one.packed(),
            self.settings,
            key=f"grading-{self.name}-{one.name}",
            resources={self.workers.own.resource: 1},
            retries=TRIES - 1,
            pure=False,
        )
        self.running[future] = one

    def ended(self) -> list[Future[Graded]]:
        """Those that have ended; nothing after a while without any."""
        if not self.running:
            time.sleep(POLL_S)
            return []
        with suppress(TimeoutError):
            wait(list(self.running), timeout=POLL_S, return_when="FIRST_COMPLETED")
        return [future for future in self.running if future.done()]

    def result(self, future: Future[Graded], one: Submission) -> tuple[dict[str, Any], str]:
        """The report of a worker, which is stored, and who made it; no verdict where no worker could."""
        if error := future.exception():
            reason = reason_of(error)
            return ungraded(one.name, reason, self.settings), reason
        done = future.result()
        future.release()
        if done.report["outcome"] != "no_verdict":
            store.keep_grading(self.key(one, done.report["environment"]["isolation"]), done)
        return done.report, f"{done.seconds:.0f} s on {done.worker}"

    def recalled(self, one: Submission) -> dict[str, Any] | None:
        """The report of an earlier run on the same submission, under its name of today."""
        if self.settings.fresh:
            return None
        for isolation in set(self.workers.isolations.values()):
            if known := store.recall_grading(self.key(one, isolation)):
                known.report["results"]["after"]["candidate"] = one.name
                return known.report
        return None

    def key(self, one: Submission, isolation: str) -> str:
        """The key of a grading in the store; the machine is no part of it, for a grading holds both sides."""
        conditions = {
            "alike": self.workers.own.resource,
            "services": self.settings.services,
            "size": self.settings.size,
            "isolation": isolation,
        }
        return store.key(conditions, self.settings.with_load, one.packed().digest())
