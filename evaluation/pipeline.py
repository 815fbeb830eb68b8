"""The method: start services, seed the dataset, measure each candidate, and judge what was measured.

What is measured: the work of single requests, the CPU time of a warm page, load, page costs, the suite, a
real minute, and signs of tampering.
"""

import secrets
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from shutil import rmtree
from traceback import format_exc
from typing import Any

from evaluation.candidates import store
from evaluation.candidates.difference import shown_difference
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
from evaluation.measure.behaviour import measure_behaviour
from evaluation.measure.growth import CATALOGS, Growth, measure_growth
from evaluation.measure.requests import measure_requests
from evaluation.measure.settings import Progress, Settings
from evaluation.records import Evaluation, Measured, Outcome, Signal, SuiteRun
from evaluation.report import committed
from evaluation.report.judgement import judgement
from evaluation.report.machine import machine
from evaluation.report.reuse import sides_of
from evaluation.serving import sandbox
from evaluation.serving.workbench import Workshop, open_workshop

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
        difference = shown_difference(BASELINE, candidate, shop.folder)
        before, after = measure(shop, candidates, settings, progress)
    return judged(before, after, settings, started_at, difference=difference)


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
    difference: str | None = None
    for last_try in (False, True):
        folder = shop.folder / "candidates" / secrets.token_hex(4) / submission.name
        try:
            notes = submission.as_folder(folder)
            difference = shown_difference(BASELINE, folder, shop.folder)
            [measured] = recalled_or_measured(shop, [folder], settings, progress)
            return judged(before, measured, settings, started_at, None, notes, difference)
        except CandidateError as error:
            progress(f"{submission.name}: {error}")
            unmeasured = unmeasured_candidate(submission.name, before, error)
            name = ENDINGS.get(type(error))
            outcome = Outcome(name, str(error)) if name else None
            return judged(before, unmeasured, settings, started_at, outcome, notes, difference)
        except Exception as error:
            reason = str(error) if isinstance(error, InfrastructureError) else format_exc()
            progress(f"{submission.name}: a failure on our side: {reason}")
            if last_try:
                unmeasured = unmeasured_candidate(submission.name, before, error)
                ending = Outcome("no_verdict", reason)
                return judged(before, unmeasured, settings, started_at, ending, notes, difference)
        finally:
            rmtree(folder.parent, ignore_errors=True)
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
    told = ", ".join(f"{products:,}" for products in sizes)
    progress(f"dataset: {told} products, seeded when something is measured")
    with open_workshop(settings.services, sizes) as shop:
        yield shop


def measure(shop: Workshop, candidates: list[Path], settings: Settings, progress: Progress) -> list[Measured]:
    """Measure private copies, one after another: a candidate finds no other one to harm."""
    with ExitStack() as stack:
        benches = [stack.enter_context(shop.workbench()) for _ in candidates]
        places = [
            (bench, copied(path, bench.folder / "served" / path.name))
            for bench, path in zip(benches, candidates, strict=True)
        ]
        requests = [measure_requests(bench, path, settings, progress) for bench, path in places]
        growth = [
            measure_growth(bench, path, progress) if settings.with_growth else Growth()
            for bench, path in places
        ]
        behaviour = measure_behaviour(places, settings.seed, progress)
    return [
        Measured(
            path.name,
            observed.suite,
            requested.work,
            requested.load,
            requested.signals + observed.found.signals,
            content=content_digest(path),
            growth=costs.pages,
            cpu=requested.cpu,
            broken=requested.broken + observed.found.broken,
            real_minute=observed.real_minute,
            counts=costs.counts,
            page_500=requested.page_500,
        )
        for path, observed, requested, costs in zip(candidates, behaviour, requests, growth, strict=True)
    ]


def judged(
    before: Measured,
    after: Measured,
    settings: Settings,
    started_at: datetime,
    ending: Outcome | None = None,
    notes: tuple[str, ...] = (),
    difference: str | None = None,
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
        difference,
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
