"""Judges the timed criteria: 500 clients on a warm page (R01.1), on a cold page of a fresh process (R01.4).

A slow machine cannot make a candidate faster, so a pass always counts. A failure counts only on a machine
that was able to meet the goal.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from evaluation.judge import timings
from evaluation.records import LoadSample

WARM, COLD = "hot", "stampede"
WARM_CRITERION, COLD_CRITERION = "R01.1", "R01.4"
STAMPEDES = ("stampede", "stampede_two_processes")


@dataclass(frozen=True, slots=True)
class TimedVerdict:
    """Whether load was measured that decides, and what it says; `passed` is None on a machine too slow."""

    is_judged: bool
    passed: bool | None = None


NOT_TIMED = TimedVerdict(False)


def warm_page(load: Sequence[LoadSample]) -> TimedVerdict:
    """R01.1: P95 on a warm page is under the goal, and no scenario but the stampedes had a wrong answer."""
    if any(has_wrong_answers(sample) for sample in load if sample.scenario not in STAMPEDES):
        return TimedVerdict(True, False)
    return within_goal(load, WARM)


def cold_page(load: Sequence[LoadSample]) -> TimedVerdict:
    """R01.4: P95 on a cold page of a fresh process is under the goal, and no stampede had a wrong answer."""
    if any(has_wrong_answers(sample) for sample in load if sample.scenario in STAMPEDES):
        return TimedVerdict(True, False)
    return within_goal(load, COLD)


TIMED: MappingProxyType[str, Callable[[Sequence[LoadSample]], TimedVerdict]] = MappingProxyType(
    {WARM_CRITERION: warm_page, COLD_CRITERION: cold_page}
)
"""How each timed criterion is judged."""


def has_wrong_answers(sample: LoadSample) -> bool:
    """Whether a body was wrong, or a request was not answered with 200 or 304."""
    return sample.bodies_wrong > 0 or not timings.all_answered(sample)


def within_goal(load: Sequence[LoadSample], scenario: str) -> TimedVerdict:
    """Whether the median of the rounds' P95 is under the goal in one scenario.

    Of a candidate that answered neither the clients of a stampede nor those of a warm page nothing else is
    measured. It has not shown that it meets the goal in the other scenarios.
    """
    samples = [sample for sample in load if sample.scenario == scenario]
    if not samples:
        return TimedVerdict(True, False) if any(one.scenario in STAMPEDES for one in load) else NOT_TIMED
    p95_ms = timings.p95_ms(samples[0].rounds)
    if p95_ms is not None and p95_ms < timings.P95_GOAL_MS:
        return TimedVerdict(True, True)
    return TimedVerdict(True, False if timings.machine_is_able(samples) else None)
