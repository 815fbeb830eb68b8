"""The method: start services, seed the dataset, measure each candidate, and judge what was measured.

What is measured: the work of single requests, the CPU time of a warm page, load, page costs, the suite, a
real minute, and signs of tampering.
"""

import secrets
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from traceback import format_exc
from typing import Any

from evaluation.candidates import store
from evaluation.candidates.fingerprint import fingerprint
from evaluation.candidates.folder import checked_directory, content_digest, copied
from evaluation.candidates.submissions import Submission
from evaluation.database import dataset
from evaluation.errors import (
    CandidateError,
    CandidateTimeoutError,
    EmptyPatchError,
    InfrastructureError,
    PatchFailedError,
    ProbeSilencedError,
)
from evaluation.judge.outcomes import outcome_of
from evaluation.judge.verdicts import judge
from evaluation.measure.cpu import measure_cpu
from evaluation.measure.growth import CATALOGS, Growth, measure_growth, measure_page_500
from evaluation.measure.in_production import count_in_production
from evaluation.measure.load import measure_load, measure_long
from evaluation.measure.meter import metered
from evaluation.measure.reads import with_reads
from evaluation.measure.real_minute import observe_real_minute
from evaluation.measure.settings import Progress, Settings
from evaluation.measure.suite import run_suite
from evaluation.measure.tampering import (
    Findings,
    files_changed,
    look_for_tampering,
    roles_taken,
    rows_lost,
    signals_in_work,
)
from evaluation.measure.work import measure_work
from evaluation.records import (
    Broken,
    CpuCost,
    Evaluation,
    LoadSample,
    Measured,
    Outcome,
    PageCost,
    RealMinute,
    Signal,
    SuiteRun,
    WorkSample,
)
from evaluation.report import committed
from evaluation.report.judgement import judgement
from evaluation.report.machine import machine
from evaluation.report.reuse import sides_of
from evaluation.services import tied
from evaluation.serving import sandbox
from evaluation.serving.workbench import Workbench, Workshop, open_workshop

ROOT = Path(__file__).parents[1]
SIZES_OF_THE_SUITE = ("small", "double", "standard")
"""The fixtures `api`, `grown` and `large` of tests/conftest.py."""
BASELINE, REFERENCE = ROOT / "repository_before", ROOT / "repository_after"
ENDINGS = {
    EmptyPatchError: "empty_patch",
    PatchFailedError: "patch_failed",
    ProbeSilencedError: "tampered",
    CandidateTimeoutError: "timeout",
}


def evaluate(candidate: Path, settings: Settings, progress: Progress) -> Evaluation:
    """Measure the baseline and one candidate, each on services of its own, and judge both."""
    started_at = datetime.now(UTC)
    candidates = [checked_directory(BASELINE), checked_directory(candidate)]
    with prepared_workshop(settings, progress) as shop:
        before, after = measure(shop, candidates, settings, progress)
    return judged(before, after, settings, started_at)


def grade(
    submissions: list[Submission], settings: Settings, progress: Progress, reuse: dict[str, Any] | None = None
) -> Generator[Evaluation, None, None]:
    """Measure every submission, one after another, and judge each against the baseline as soon as it can be.

    With `reuse`, baseline and reference come from that report; UsageError when it does not match.
    """
    contents = {"before": content_digest(BASELINE), "after": content_digest(REFERENCE)}
    sides = sides_of(reuse, settings.conditions(), contents, settings.with_load) if reuse else None
    with prepared_workshop(settings, progress) as shop:
        try:
            before, reference = sides or recalled_or_measured(shop, [BASELINE, REFERENCE], settings, progress)
        except CandidateError as error:
            raise InfrastructureError(f"baseline and reference cannot be measured: {error}") from error
        progress(f"reference: {outcome_of(reference, judge(reference)).name}{' (reused)' if sides else ''}")
        unlike = committed.mismatch(judgement(before, reference, "")["comparison"])
        for one in submissions:
            if unlike:
                unmeasured = unmeasured_candidate(one.name, before, InfrastructureError(unlike))
                ending = Outcome("no_verdict", unlike)
                yield judged(before, unmeasured, settings, datetime.now(UTC), ending)
            else:
                yield grade_one(shop, one, before, settings, progress)


def grade_one(
    shop: Workshop, submission: Submission, before: Measured, settings: Settings, progress: Progress
) -> Evaluation:
    """Grade one submission; a failure on our side is retried once and never counts against it.

    Whatever goes wrong here is told in the report of this submission, and ends no other.
    """
    started_at = datetime.now(UTC)
    notes: tuple[str, ...] = ()
    for last_try in (False, True):
        folder = shop.folder / "candidates" / secrets.token_hex(4) / submission.name
        try:
            notes = submission.as_folder(folder)
            [measured] = recalled_or_measured(shop, [folder], settings, progress)
            return judged(before, measured, settings, started_at, None, notes)
        except CandidateError as error:
            progress(f"{submission.name}: {error}")
            unmeasured = unmeasured_candidate(submission.name, before, error)
            ending = ENDINGS.get(type(error))
            outcome = Outcome(ending, str(error)) if ending else None
            return judged(before, unmeasured, settings, started_at, outcome, notes)
        except Exception as error:
            reason = str(error) if isinstance(error, InfrastructureError) else format_exc()
            progress(f"{submission.name}: a failure on our side: {reason}")
            if last_try:
                unmeasured = unmeasured_candidate(submission.name, before, error)
                return judged(before, unmeasured, settings, started_at, Outcome("no_verdict", reason), notes)
    raise AssertionError("the last try returns")


def recalled_or_measured(
    shop: Workshop, candidates: list[Path], settings: Settings, progress: Progress
) -> list[Measured]:
    """Measurements from the store where it has them; the other candidates are measured now."""
    conditions = settings.conditions()
    keys = {path: store.key(conditions, settings.with_load, content_digest(path)) for path in candidates}
    found = {path: None if settings.fresh else store.recall(key) for path, key in keys.items()}
    missing = [path for path, measured in found.items() if measured is None]
    for path in candidates:
        if path not in missing:
            progress(f"{path.name}: already measured, and nothing has changed since")
    for path, measured in zip(missing, measure(shop, missing, settings, progress), strict=True):
        store.keep(keys[path], measured)
        found[path] = measured
    return [replace(measured, candidate=path.name) for path, measured in found.items() if measured]


@contextmanager
def prepared_workshop(settings: Settings, progress: Progress) -> Iterator[Workshop]:
    """A workshop with every dataset that the settings need."""
    progress(f"services: {settings.services}, new ones for each candidate")
    always = (settings.products, *(dataset.SIZES[name] for name in SIZES_OF_THE_SUITE))
    sizes = sorted({*always, *(CATALOGS if settings.with_growth else ())})
    progress(f"dataset: seeding {', '.join(f'{products:,}' for products in sizes)} products")
    with open_workshop(settings.services, sizes) as shop:
        yield shop


def measure(shop: Workshop, candidates: list[Path], settings: Settings, progress: Progress) -> list[Measured]:
    """Measure private copies, one after another: a candidate finds no other one to harm."""
    copies = [copied(path, shop.folder / "served" / secrets.token_hex(4) / path.name) for path in candidates]
    with ExitStack() as stack:
        benches = [stack.enter_context(shop.workbench()) for _ in copies]
        places = list(zip(benches, copies, strict=True))
        requests = [measure_requests(bench, path, settings, progress) for bench, path in places]
        growth = [
            measure_growth(bench, path, progress) if settings.with_growth else Growth()
            for bench, path in places
        ]
        tests = measure_suites(places, settings.seed, progress)
    return [
        Measured(
            path.name,
            tested.suite,
            requested.work,
            requested.load,
            requested.signals + tested.found.signals,
            content=content_digest(path),
            growth=costs.pages,
            cpu=requested.cpu,
            broken=requested.broken + tested.found.broken,
            real_minute=tested.real_minute,
            counts=costs.counts,
            page_500=requested.page_500,
        )
        for path, tested, requested, costs in zip(candidates, tests, requests, growth, strict=True)
    ]


@dataclass(frozen=True, slots=True)
class Requests:
    """What single requests, the CPU time of a warm page and load showed of one candidate."""

    work: tuple[WorkSample, ...]
    cpu: tuple[CpuCost, ...]
    load: tuple[LoadSample, ...]
    signals: tuple[Signal, ...]
    broken: tuple[Broken, ...]
    page_500: PageCost | None


@dataclass(frozen=True, slots=True)
class Tests:
    """What the suite, the search for tampering and a real minute showed of one candidate."""

    suite: SuiteRun
    found: Findings
    real_minute: RealMinute


def measure_requests(bench: Workbench, candidate: Path, settings: Settings, progress: Progress) -> Requests:
    """Measure the work of single requests on a fresh server, then CPU time and load on other servers."""
    files = fingerprint(candidate)
    with bench.stage(settings.products) as stage:
        progress(f"{candidate.name}: counting the work of single requests")
        with metered(stage, candidate) as (server, meter):
            work = measure_work(server, meter)
        work = with_reads(work, bench, candidate, settings.products)
        cost, broken = measure_cpu(stage, candidate)
        page_500 = None
        if settings.with_load or settings.with_growth:
            progress(f"{candidate.name}: measuring page 500")
            page_500 = measure_page_500(stage, candidate, settings.products)
        load: tuple[LoadSample, ...] = ()
        if settings.with_load:
            progress(f"{candidate.name}: measuring load with 500 clients")
            load = measure_load(stage, candidate, cost, progress)
        if settings.with_growth:
            progress(f"{candidate.name}: measuring a minute of popular pages")
            load += measure_long(stage, candidate)
        signals = [*signals_in_work(work), *roles_taken(stage), *rows_lost(stage, settings.products)]
    return Requests(work, (cost,), load, (*signals, *files_changed(files, candidate)), broken, page_500)


def measure_suites(places: list[tuple[Workbench, Path]], seed: int, progress: Progress) -> list[Tests]:
    """Run the suite, the search for tampering and a real minute on one candidate after another."""
    finished, interrupted = [], Event()
    with ThreadPoolExecutor(1) as executor:
        running = executor.map(
            lambda place: measure_tests(*place, seed=seed, progress=progress, interrupted=interrupted), places
        )
        try:
            for (_, path), tests in zip(places, running, strict=True):
                # The main thread reports the count: it is interrupted when a service stops, so a suite that
                # lost its services is never counted.
                passed = sum(test.outcome == "passed" for test in tests.suite.tests)
                progress(f"{path.name}: {passed} of {len(tests.suite.tests)} tests passed")
                finished.append(tests)
        except BaseException:
            # Nobody waits for the end of what does not count any more.
            interrupted.set()
            executor.shutdown(wait=False, cancel_futures=True)
            tied.kill_all()
            for bench, _ in places:
                bench.forkservers.kill_servers()
            raise
    return finished


def measure_tests(
    bench: Workbench, candidate: Path, *, seed: int, progress: Progress, interrupted: Event
) -> Tests:
    """Run the suite and look at the candidate in other ways at the same time: no speed is measured."""
    progress(f"{candidate.name}: running the suite")
    services, files = bench.services, fingerprint(candidate)
    with ThreadPoolExecutor(3) as executor:
        tampering = executor.submit(look_for_tampering, bench, candidate)
        production = executor.submit(count_in_production, bench, candidate)
        minute = executor.submit(observe_real_minute, bench, candidate, seed, interrupted)
        suite = run_suite(candidate, services.postgres_url, services.redis_url, bench.folder, seed)
    found = tampering.result()
    signals = (*found.signals, *files_changed(files, candidate))
    found = Findings(signals, (*found.broken, *production.result()))
    return Tests(suite, found, minute.result())


def judged(
    before: Measured,
    after: Measured,
    settings: Settings,
    started_at: datetime,
    ending: Outcome | None = None,
    notes: tuple[str, ...] = (),
) -> Evaluation:
    """Judge the candidate; `ending` is an outcome that is known without judging."""
    environment = {
        **machine(),
        "seed": str(settings.seed),
        "could_read": sandbox.could_read(),
        **settings.conditions(),
    }
    return Evaluation(
        secrets.token_hex(4),
        started_at,
        datetime.now(UTC),
        settings.profile,
        environment,
        before,
        after,
        ending or outcome_of(after, judge(after)),
        notes,
    )


def unmeasured_candidate(name: str, before: Measured, error: Exception) -> Measured:
    """A candidate that could not be measured: every test is an error; a silenced probe is also a signal."""
    tests = tuple(
        replace(test, outcome="error", message="not run: the candidate could not be measured")
        for test in before.suite.tests
    )
    silenced = isinstance(error, ProbeSilencedError)
    signals = (Signal("probe_silenced", str(error)),) if silenced else ()
    return Measured(name, SuiteRun(-1, tests, 0.0), (), (), signals, str(error))
