"""Judges which criteria a candidate meets, with pure functions of what was measured."""

from collections.abc import Sequence
from dataclasses import dataclass

from evaluation.criteria import HARDENING, Criterion, criteria
from evaluation.judge.measurements import together, verdicts_of_measurements
from evaluation.records import CriterionVerdict, Measured


@dataclass(frozen=True, slots=True)
class Hardening:
    """How many of the judged hardening criteria hold, and which do not."""

    held: int
    total: int
    missing: tuple[str, ...]

    @property
    def is_complete(self) -> bool:
        """Whether hardening criteria were judged and all of them hold."""
        return self.total > 0 and not self.missing


def judge_criteria(measured: Measured) -> tuple[CriterionVerdict, ...]:
    """One verdict per criterion, in the order of the list."""
    return tuple(judge_criterion(criterion, measured) for criterion in criteria().values())


def judge_criterion(criterion: Criterion, measured: Measured) -> CriterionVerdict:
    """A criterion is met when all its tests passed and everything else that was measured says so."""
    tests = [test for test in measured.suite.tests if test.criterion == criterion.id]
    failed = tuple(test.nodeid for test in tests if test.outcome != "passed")
    by_tests = [not failed] if tests else []
    passed = together([*by_tests, *verdicts_of_measurements(criterion.id, measured)])
    return CriterionVerdict(criterion.id, criterion.level, passed, len(tests), failed)


def hardening(verdicts: Sequence[CriterionVerdict]) -> Hardening:
    """The judged criteria of the level `hardening`."""
    judged = [one for one in verdicts if one.level == HARDENING and one.passed is not None]
    missing = tuple(one.criterion for one in judged if not one.passed)
    return Hardening(len(judged) - len(missing), len(judged), missing)
