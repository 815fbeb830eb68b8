"""The method: services, dataset; for each candidate its work, its load, the suite, its honesty; a verdict."""

import os
import platform
import secrets
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from evaluation import store
from evaluation.errors import (
    CandidateError,
    CandidateTimeoutError,
    EmptyPatchError,
    EvaluationError,
    InfrastructureError,
    PatchFailedError,
    ProbeSilencedError,
)
from evaluation.judge.outcomes import outcome_of
from evaluation.judge.verdicts import judge, split
from evaluation.measure.growth import CATALOGS, measure_growth
from evaluation.measure.integrity import files_changed, look_for_tampering, roles_taken, rows_lost, unearned
from evaluation.measure.load import measure_load, measure_long
from evaluation.measure.suite import run_suite
from evaluation.measure.work import measure_work
from evaluation.records import (
    CaseResult,
    Evaluation,
    LoadSample,
    Measured,
    Outcome,
    Signal,
    SuiteRun,
    WorkSample,
)
from evaluation.reuse import sides_of
from evaluation.runtime import dataset
from evaluation.runtime.fingerprint import fingerprint
from evaluation.runtime.patches import copied
from evaluation.runtime.sandbox import kind as sandbox_kind
from evaluation.runtime.workbench import Workbench, checked_directory, open_workbench
from evaluation.submissions import Submission

ROOT = Path(__file__).parents[1]
BASELINE, REFERENCE = ROOT / "repository_before", ROOT / "repository_after"
ENDINGS = {
    EmptyPatchError: "empty_patch",
    PatchFailedError: "patch_failed",
    ProbeSilencedError: "tampered",
    CandidateTimeoutError: "timeout",
}

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Plan:
    """How candidates are measured."""

    services: str = "embedded"
    size: str = "standard"
    with_load: bool = True
    fresh: bool = False
    with_growth: bool = False

    def conditions(self) -> dict[str, str]:
        """What two measurements must have in common to be compared, as the report notes it."""
        return {
            "harness": store.harness_digest(),
            "machine": store.machine_digest(self.services),
            "services": self.services,
            "size": self.size,
            "isolation": sandbox_kind(),
        }

    @property
    def products(self) -> int:
        """Products in the measured dataset."""
        return dataset.SIZES[self.size]


def evaluate(candidate: Path, plan: Plan, say: Say) -> Evaluation:
    """Measure the baseline and one candidate on the same services, side by side, and judge."""
    started_at = datetime.now(UTC)
    candidates = [checked_directory(BASELINE), checked_directory(candidate)]
    with prepared_workbench(plan, say) as bench:
        before, after = measure(bench, candidates, plan, say)
    return judged(before, after, plan, started_at)


def grade(
    submissions: list[Submission], plan: Plan, say: Say, reuse: dict[str, Any] | None = None
) -> list[Evaluation]:
    """Measure everything handed in, one after another, and judge each beside the baseline.

    Baseline and reference come from the report `reuse` where there is one; UsageError when it does not fit.
    """
    contents = {"before": store.content_digest(BASELINE), "after": store.content_digest(REFERENCE)}
    sides = sides_of(reuse, plan.conditions(), contents, plan.with_load) if reuse else None
    with prepared_workbench(plan, say) as bench:
        before, reference = sides or known(bench, [BASELINE, REFERENCE], plan, say)
        say(f"reference: {outcome_of(reference, judge(reference)).name}{' (reused)' if sides else ''}")
        return [grade_one(bench, one, before, plan, say) for one in submissions]


def grade_one(bench: Workbench, submission: Submission, before: Measured, plan: Plan, say: Say) -> Evaluation:
    """One submission; trouble of ours is retried once and never counted against it."""
    started_at = datetime.now(UTC)
    folder = bench.folder / "candidates" / secrets.token_hex(4) / submission.name
    for last_try in (False, True):
        try:
            [measured] = known(bench, [submission.laid_out(folder)], plan, say)
            return judged(before, measured, plan, started_at)
        except CandidateError as error:
            say(f"{submission.name}: {error}")
            nothing = without_answer(submission.name, before, error)
            ending = ENDINGS.get(type(error))
            return judged(before, nothing, plan, started_at, Outcome(ending, str(error)) if ending else None)
        except InfrastructureError as error:
            say(f"{submission.name}: trouble of ours: {error}")
            if last_try:
                nothing = without_answer(submission.name, before, error)
                return judged(before, nothing, plan, started_at, Outcome("no_verdict", str(error)))
            folder = folder.with_name(f"{submission.name}-again")
    raise AssertionError("the last try returns")


def known(bench: Workbench, candidates: list[Path], plan: Plan, say: Say) -> list[Measured]:
    """Measurements from the store where the same content was measured before, fresh ones for the rest."""
    conditions = plan.conditions()
    keys = {path: store.key(conditions, plan.with_load, store.content_digest(path)) for path in candidates}
    found = {path: None if plan.fresh else store.recall(key) for path, key in keys.items()}
    missing = [path for path, measured in found.items() if measured is None]
    for path in candidates:
        if path not in missing:
            say(f"{path.name}: measured before, nothing has changed since")
    for path, measured in zip(missing, measure(bench, missing, plan, say), strict=True):
        store.keep(keys[path], measured)
        found[path] = measured
    return [replace(measured, candidate=path.name) for path, measured in found.items() if measured]


@contextmanager
def prepared_workbench(plan: Plan, say: Say) -> Iterator[Workbench]:
    """Services with every dataset that will be asked for."""
    say(f"services: starting ({plan.services})")
    with open_workbench(plan.services) as bench:
        say(f"dataset: seeding {plan.products:,} products")
        for products in (plan.products, dataset.SIZES["small"], dataset.SIZES["double"]):
            dataset.ensure_template(bench.services.postgres_url, products)
        for products in CATALOGS if plan.with_growth else ():
            say(f"dataset: seeding {products:,} products")
            dataset.ensure_template(bench.services.postgres_url, products)
        yield bench


def measure(bench: Workbench, candidates: list[Path], plan: Plan, say: Say) -> list[Measured]:
    """Private copies, work and load one at a time, alone on the machine; suites and honesty side by side."""
    copies = [copied(path, bench.folder / "served" / secrets.token_hex(4) / path.name) for path in candidates]
    requests = [measure_requests(bench, path, plan, say) for path in copies]
    growth = [measure_growth(bench, path, say) if plan.with_growth else () for path in copies]
    tests = measure_suites(bench, copies, say)
    return [
        Measured(
            path.name,
            seen.suite,
            asked.work,
            asked.load,
            asked.signals + seen.signals,
            content=store.content_digest(path),
            growth=grown,
        )
        for path, seen, asked, grown in zip(candidates, tests, requests, growth, strict=True)
    ]


@dataclass(frozen=True, slots=True)
class Requests:
    """What single requests and bursts of one candidate showed."""

    work: tuple[WorkSample, ...]
    load: tuple[LoadSample, ...]
    signals: tuple[Signal, ...]


@dataclass(frozen=True, slots=True)
class Tests:
    """What the suite and the search for tricks showed."""

    suite: SuiteRun
    signals: tuple[Signal, ...]


def measure_requests(bench: Workbench, candidate: Path, plan: Plan, say: Say) -> Requests:
    """Work on a fresh server, then load on another."""
    files = fingerprint(candidate)
    with bench.stage(plan.products) as stage:
        say(f"{candidate.name}: counting the work of single requests")
        with stage.serving(candidate) as server, closing(stage.counters()) as counters:
            work = measure_work(server, counters)
        load: tuple[LoadSample, ...] = ()
        if plan.with_load:
            say(f"{candidate.name}: 500 clients at once")
            load = measure_load(stage, candidate)
        if plan.with_growth:
            say(f"{candidate.name}: a minute of popular pages")
            load += measure_long(stage, candidate)
        signals = [*unearned(work), *roles_taken(stage), *rows_lost(stage, plan.products)]
    return Requests(work, load, (*signals, *files_changed(files, candidate)))


def measure_suites(bench: Workbench, candidates: list[Path], say: Say) -> list[Tests]:
    """Suite and search for tricks of all candidates, side by side."""
    seen = []
    with ThreadPoolExecutor(max(1, len(candidates))) as executor:
        running = executor.map(lambda path: measure_tests(bench, path, say), candidates)
        for path, tests in zip(candidates, running, strict=True):
            # Said by the main thread, which a service that goes interrupts: no result without it.
            passed = sum(test.outcome == "passed" for test in tests.suite.tests)
            say(f"{path.name}: {passed} of {len(tests.suite.tests)} tests passed")
            seen.append(tests)
    return seen


def measure_tests(bench: Workbench, candidate: Path, say: Say) -> Tests:
    """The suite and the search for tricks; both judge counters, so company does not disturb them."""
    say(f"{candidate.name}: running the suite")
    services, files = bench.services, fingerprint(candidate)
    with ThreadPoolExecutor(1) as executor:
        honesty = executor.submit(look_for_tampering, bench, candidate)
        suite = run_suite(candidate, services.postgres_url, services.redis_url, bench.folder)
    return Tests(suite, (*honesty.result(), *files_changed(files, candidate)))


def judged(
    before: Measured, after: Measured, plan: Plan, started_at: datetime, ending: Outcome | None = None
) -> Evaluation:
    """Both sides measured, now judged; `ending` is an outcome that needs no judge."""
    fail_to_pass, pass_to_pass = split(before, after)
    verdicts = judge(after)
    return Evaluation(
        secrets.token_hex(4),
        started_at,
        datetime.now(UTC),
        {
            "python": platform.python_version(),
            "platform": platform.platform(),
            "cpus": str(os.cpu_count()),
            **plan.conditions(),
        },
        before,
        after,
        judge(before),
        verdicts,
        fail_to_pass,
        pass_to_pass,
        ending or outcome_of(after, verdicts),
    )


def without_answer(name: str, before: Measured, error: EvaluationError) -> Measured:
    """A candidate that could not be measured: every test is an error, a silenced probe a signal as well."""
    tests = tuple(CaseResult(test.nodeid, "error", test.requirement) for test in before.suite.tests)
    silenced = isinstance(error, ProbeSilencedError)
    signals = (Signal("probe_silenced", str(error)),) if silenced else ()
    return Measured(name, SuiteRun(-1, tests, 0.0), (), (), signals, str(error))
