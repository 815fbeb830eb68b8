"""Which criteria hold after a step: the suite and the CPU time of a warm page decide, as in a grading."""

from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from evaluation.candidates.folder import content_digest, copied
from evaluation.criteria import SPECIFIED, criteria
from evaluation.database.dataset import SIZES
from evaluation.judge import cpu
from evaluation.judge.criteria import judge_criteria
from evaluation.measure.cpu import measure_cpu
from evaluation.measure.suite import SHARES, merged, run_share, run_suite, shares
from evaluation.proof.series.steps import Step
from evaluation.records import Measured, SuiteRun
from evaluation.serving.workbench import Workbench, Workshop

TIMED = "R01"
"""The requirement that the CPU time of a warm page decides beside the suite."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What the suite and the CPU time showed of one catalog, whose files have this digest."""

    content: str
    holds: Mapping[str, bool | None]
    passed: Mapping[str, bool]


@dataclass(frozen=True, slots=True)
class Effect:
    """What a step did to the criteria: `lacking` are those of its requirement that do not hold."""

    green: tuple[str, ...]
    red: tuple[str, ...]
    lacking: tuple[str, ...]

    @property
    def is_good(self) -> bool:
        """Whether no criterion that decides turned red, and those of the requirement hold."""
        return not self.lacking and not [name for name in self.red if criteria()[name].level == SPECIFIED]


def seen_whole(shop: Workshop, folder: Path, seed: int) -> Seen:
    """Run the whole suite on a catalog, and measure the CPU time of a warm page."""
    with shop.workbench() as bench:
        served = copied(folder, bench.folder / "served" / folder.name)
        urls = (bench.services.postgres_url, bench.services.redis_url)
        return seen(bench, served, run_suite(served, *urls, bench.folder, seed), with_cpu=True)


def seen_partly(shop: Workshop, folder: Path, tests: Collection[str], open_ones: Collection[str]) -> Seen:
    """Run some tests, divided as the suite is; of open criteria, whose tests are not all run, say nothing.

    The CPU time is not measured where it is open as well.
    """
    with shop.workbench() as bench:
        served = copied(folder, bench.folder / "served" / folder.name)
        urls = (bench.services.postgres_url, bench.services.redis_url)

        def run(files: list[str]) -> SuiteRun:
            asked = [test for test in sorted(tests) if file_of(test) in files]
            return run_share(asked, served, *urls, bench.folder)

        with ThreadPoolExecutor(SHARES) as executor:
            runs = list(executor.map(run, shares(sorted({file_of(test) for test in tests}))))
        suite = replace(runs[0], tests=merged(test for one in runs for test in one.tests))
        found = seen(bench, served, suite, with_cpu=cpu.CRITERION not in open_ones)
    return replace(found, holds={**found.holds, **dict.fromkeys(open_ones)})


def file_of(test: str) -> str:
    """The file of a test."""
    return test.partition("::")[0]


def seen_of(shop: Workshop, folder: Path, requirement: str) -> Seen:
    """Run the tests of one requirement alone; the CPU time is measured where it decides."""
    with shop.workbench() as bench:
        served = copied(folder, bench.folder / "served" / folder.name)
        urls = (bench.services.postgres_url, bench.services.redis_url)
        suite = run_share(["tests"], served, *urls, bench.folder, requirement)
        return seen(bench, served, suite, with_cpu=requirement == TIMED)


def seen(bench: Workbench, folder: Path, suite: SuiteRun, *, with_cpu: bool) -> Seen:
    """Which criteria hold after a run of the suite."""
    measured = Measured(folder.name, suite, (), ())
    if with_cpu:
        with bench.stage(SIZES["standard"]) as stage:
            cost, broken = measure_cpu(stage, folder)
        measured = Measured(folder.name, suite, (), (), cpu=(cost,), broken=broken)
    holds = {one.criterion: one.passed for one in judge_criteria(measured)}
    return Seen(
        content_digest(folder),
        {name: holds[name] for name in criteria()},
        {test.nodeid: test.outcome == "passed" for test in suite.tests},
    )


def effect(step: Step, before: Mapping[str, bool | None], after: Mapping[str, bool | None]) -> Effect:
    """Compare what holds before a step and after it. What was not seen did not turn, and does not hold."""
    green = tuple(name for name in criteria() if after.get(name) and before.get(name) is False)
    red = tuple(name for name in criteria() if before.get(name) and after.get(name) is False)
    lacking = tuple(name for name in due(step) if not after.get(name))
    return Effect(green, red, lacking)


def due(step: Step) -> list[str]:
    """The criteria that must hold after a step: those of its requirement that decide without 500 clients."""
    return [
        name
        for name, one in criteria().items()
        if one.level == SPECIFIED
        and one.profile is None
        and (step.requirement is None or one.requirement == step.requirement)
    ]
