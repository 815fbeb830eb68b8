"""The parts of a report that follow from the measurements alone: they can be judged again at any time."""

from collections import Counter
from dataclasses import asdict
from typing import Any

from evaluation.criteria import criteria, requirements
from evaluation.judge.criteria import hardening, judge_criteria
from evaluation.judge.growth import deepenings, laws
from evaluation.judge.verdicts import hardening_passed, judge, split
from evaluation.records import CriterionVerdict, Measured, Verdict


def judgement(before: Measured, after: Measured, outcome: str) -> dict[str, Any]:
    """Verdicts on both sides, by requirement and by criterion, and what follows from them."""
    fail_to_pass, pass_to_pass = split(before, after)
    verdicts = judge_criteria(after)
    held = hardening(verdicts)
    return {
        "comparison": {
            "fail_to_pass": fail_to_pass,
            "pass_to_pass": pass_to_pass,
            "hardening": hardening_passed(after),
            **totals("before", before),
            **totals("after", after),
        },
        "requirements": requirement_rows(judge(before), judge(after)),
        "criteria": criterion_rows(judge_criteria(before), verdicts),
        "hardening": {"held": held.held, "total": held.total, "missing": list(held.missing)},
        "hardened": held.is_complete and outcome == "resolved",
        "growth": {"before": growth(before), "after": growth(after)},
    }


def totals(side: str, measured: Measured) -> dict[str, Any]:
    """Whether all tests passed on a side, and how many did; for readers that look at these names alone."""
    counts = summary(measured)
    return {
        f"{side}_tests_passed": counts["passed"] == counts["total"],
        **{f"{side}_{name}": counts[name] for name in ("total", "passed", "failed")},
    }


def summary(measured: Measured) -> dict[str, int]:
    """How many tests had which outcome."""
    outcomes = Counter(test.outcome for test in measured.suite.tests)
    return {
        "total": len(measured.suite.tests),
        "passed": outcomes["passed"],
        "failed": outcomes["failed"],
        "errors": outcomes["error"],
        "skipped": outcomes["skipped"],
    }


def requirement_rows(before: tuple[Verdict, ...], after: tuple[Verdict, ...]) -> list[dict[str, Any]]:
    """One row for each requirement, with both sides."""
    titles = {row.id: row.title for row in requirements()}
    return [
        {
            "requirement": old.requirement,
            "title": titles[old.requirement],
            "before": {"passed": old.passed, "evidence": old.evidence},
            "after": {"passed": new.passed, "evidence": new.evidence},
        }
        for old, new in zip(before, after, strict=True)
    ]


def criterion_rows(
    before: tuple[CriterionVerdict, ...], after: tuple[CriterionVerdict, ...]
) -> list[dict[str, Any]]:
    """One row for each criterion, with both sides."""
    return [
        {
            "criterion": criterion.id,
            "requirement": criterion.requirement,
            "level": criterion.level,
            "profile": criterion.profile,
            "sentence": criterion.sentence,
            "before": criterion_side(old),
            "after": criterion_side(new),
        }
        for criterion, old, new in zip(criteria().values(), before, after, strict=True)
    ]


def criterion_side(verdict: CriterionVerdict) -> dict[str, Any]:
    """The verdict on a criterion on one side."""
    return {"passed": verdict.passed, "tests": verdict.tests, "failed": list(verdict.failed)}


def growth(measured: Measured) -> dict[str, Any]:
    """Page costs by size and depth, and the laws that follow; empty lists when they were not measured."""
    return {
        "pages": [asdict(cost) for cost in measured.growth],
        "laws": [asdict(law) for law in laws(measured.growth)],
        "deepenings": [asdict(one) for one in deepenings(measured.growth)],
        "counts": [asdict(one) for one in measured.counts],
    }
