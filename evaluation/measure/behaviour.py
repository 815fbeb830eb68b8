"""Runs the suite, the search for tampering and a real minute on several candidates."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from evaluation.candidates.fingerprint import fingerprint
from evaluation.measure.in_production import count_in_production
from evaluation.measure.patience import wait_for_connections
from evaluation.measure.real_minute import observe_real_minute
from evaluation.measure.settings import Progress
from evaluation.measure.suite import run_suite
from evaluation.measure.tampering import Findings, files_changed, look_for_tampering
from evaluation.records import RealMinute, SuiteRun
from evaluation.services import tied
from evaluation.serving.workbench import Workbench


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What the suite, the search for tampering and a real minute showed of one candidate."""

    suite: SuiteRun
    found: Findings
    real_minute: RealMinute


def measure_behaviour(places: list[tuple[Workbench, Path]], seed: int, progress: Progress) -> list[Behaviour]:
    """Run the suite, the search for tampering and a real minute on one candidate after another."""
    finished, interrupted = [], Event()
    with ThreadPoolExecutor(1) as executor:
        running = executor.map(
            lambda place: observe(*place, seed=seed, progress=progress, interrupted=interrupted), places
        )
        try:
            for (_, path), observed in zip(places, running, strict=True):
                # The main thread reports the count: it is interrupted when a service stops, so a suite that
                # lost its services is never counted.
                passed = sum(test.outcome == "passed" for test in observed.suite.tests)
                progress(f"{path.name}: {passed} of {len(observed.suite.tests)} tests passed")
                finished.append(observed)
        except BaseException:
            # Nobody waits for the end of what does not count any more.
            interrupted.set()
            executor.shutdown(wait=False, cancel_futures=True)
            tied.kill_all()
            for bench, _ in places:
                bench.forkservers.kill_servers()
            raise
    return finished


def observe(
    bench: Workbench, candidate: Path, *, seed: int, progress: Progress, interrupted: Event
) -> Behaviour:
    """Run the suite and look at the candidate in other ways at the same time: no speed is measured."""
    progress(f"{candidate.name}: running the suite")
    services, files = bench.services, fingerprint(candidate)
    with ThreadPoolExecutor(4) as executor:
        tampering = executor.submit(look_for_tampering, bench, candidate)
        production = executor.submit(count_in_production, bench, candidate)
        patience = executor.submit(wait_for_connections, bench, candidate, interrupted)
        minute = executor.submit(observe_real_minute, bench, candidate, seed, interrupted)
        suite = run_suite(candidate, services.postgres_url, services.redis_url, bench.folder, seed)
    found = tampering.result()
    signals = (*found.signals, *files_changed(files, candidate))
    found = Findings(signals, (*found.broken, *production.result(), *patience.result()))
    return Behaviour(suite, found, minute.result())
