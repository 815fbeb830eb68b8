"""The method: services, dataset, then for each candidate the suite, its work and its load; a verdict."""

import platform
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from evaluation.judge.verdicts import is_resolved, judge, split
from evaluation.measure.load import measure_load
from evaluation.measure.suite import run_suite
from evaluation.measure.work import measure_work
from evaluation.records import LoadSample, Measured, SuiteRun, Verdict, WorkSample
from evaluation.runtime import dataset
from evaluation.runtime.workbench import Workbench, checked_directory, open_workbench

ROOT = Path(__file__).parents[1]
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Plan:
    """What an evaluation is asked to do."""

    before: Path = ROOT / "repository_before"
    after: Path = ROOT / "repository_after"
    services: str = "embedded"
    size: str = "standard"
    with_load: bool = True


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Both sides measured and judged."""

    run_id: str
    started_at: datetime
    finished_at: datetime
    environment: dict[str, str]
    before: Measured
    after: Measured
    before_verdicts: tuple[Verdict, ...]
    after_verdicts: tuple[Verdict, ...]
    fail_to_pass: list[str]
    pass_to_pass: list[str]

    @property
    def success(self) -> bool:
        """The second side meets every requirement and breaks nothing."""
        return is_resolved(self.after, self.after_verdicts)


def evaluate(plan: Plan, say: Say) -> Evaluation:
    """Measure both candidates on the same services and judge them."""
    started_at = datetime.now(UTC)
    candidates = [checked_directory(plan.before), checked_directory(plan.after)]
    say(f"services: starting ({plan.services})")
    with open_workbench(plan.services) as bench:
        products = dataset.SIZES[plan.size]
        say(f"dataset: seeding {products:,} products")
        dataset.ensure_template(bench.services.postgres_url, products)
        requests = [measure_requests(bench, path, products, plan.with_load, say) for path in candidates]
        suites = run_suites(bench, candidates, say)
    before, after = (
        Measured(path.name, suite, seen.work, seen.load)
        for path, suite, seen in zip(candidates, suites, requests, strict=True)
    )
    fail_to_pass, pass_to_pass = split(before, after)
    return Evaluation(
        secrets.token_hex(4),
        started_at,
        datetime.now(UTC),
        {
            "python": platform.python_version(),
            "platform": platform.platform(),
            "services": plan.services,
            "size": plan.size,
        },
        before,
        after,
        judge(before),
        judge(after),
        fail_to_pass,
        pass_to_pass,
    )


@dataclass(frozen=True, slots=True)
class Requests:
    """What single requests and bursts of one candidate showed."""

    work: tuple[WorkSample, ...]
    load: tuple[LoadSample, ...]


def measure_requests(bench: Workbench, candidate: Path, products: int, with_load: bool, say: Say) -> Requests:
    """Work on a fresh server, then load on another, alone on the machine."""
    with bench.stage(products) as stage:
        say(f"{candidate.name}: counting the work of single requests")
        with stage.serving(candidate) as server, closing(stage.counters()) as counters:
            work = measure_work(server, counters)
        if not with_load:
            return Requests(work, ())
        say(f"{candidate.name}: 500 clients at once")
        with stage.serving(candidate) as server:
            return Requests(work, measure_load(server))


def run_suites(bench: Workbench, candidates: list[Path], say: Say) -> list[SuiteRun]:
    """The suite on all candidates side by side: it judges counters, so company does not disturb it."""
    for size in ("small", "double"):
        dataset.ensure_template(bench.services.postgres_url, dataset.SIZES[size])

    def run(candidate: Path) -> SuiteRun:
        say(f"{candidate.name}: running the suite")
        suite = run_suite(candidate, bench.services.postgres_url, bench.services.redis_url, bench.folder)
        passed = sum(test.outcome == "passed" for test in suite.tests)
        say(f"{candidate.name}: {passed} of {len(suite.tests)} tests passed")
        return suite

    with ThreadPoolExecutor(len(candidates)) as executor:
        return list(executor.map(run, candidates))
