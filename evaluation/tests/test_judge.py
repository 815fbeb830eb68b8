"""How verdicts follow from records."""

from dataclasses import replace

import pytest

from evaluation.judge.outcomes import outcome_of
from evaluation.judge.verdicts import judge, split
from evaluation.records import REQUIREMENTS, CaseResult, Measured, Signal, SuiteRun, WorkSample

WORK = tuple(WorkSample(name, 200, 3, 3, 1, 1, 1, 1, "") for name in ("first_page_cold", "first_page_warm"))


def measured(broken: dict[str, str]) -> Measured:
    """A candidate with one test a requirement and one shared; `broken` says which went wrong how."""
    names = [*REQUIREMENTS, "shared"]
    tests = tuple(
        CaseResult(name, broken.get(name, "passed"), None if name == "shared" else name) for name in names
    )
    return Measured("c", SuiteRun(0, tests, 1.0), WORK, ())


def test_all_green_is_resolved() -> None:
    good = measured({})

    assert outcome_of(good, judge(good)).name == "resolved"


@pytest.mark.parametrize("outcome", ["failed", "error", "skipped"])
@pytest.mark.parametrize("name", ["R07", "shared"])
def test_nothing_but_a_pass_is_a_pass(name: str, outcome: str) -> None:
    bad = measured({name: outcome})

    outcome_seen = outcome_of(bad, judge(bad))

    assert outcome_seen.name == "unresolved"
    assert name in outcome_seen.reason
    assert [v.requirement for v in judge(bad) if not v.passed] == ([name] if name != "shared" else [])


def test_green_tests_do_not_outweigh_a_sign_of_tampering() -> None:
    cheat = replace(measured({}), signals=(Signal("no_work", "GET /products"),))

    assert outcome_of(cheat, judge(cheat)).name == "tampered"


def test_a_requirement_without_tests_is_not_met() -> None:
    empty = Measured("c", SuiteRun(0, (CaseResult("shared", "passed", None),), 1.0), WORK, ())

    assert not any(verdict.passed for verdict in judge(empty))


def test_the_split_compares_both_sides() -> None:
    fail_to_pass, pass_to_pass = split(measured({"R01": "failed", "R02": "error"}), measured({}))

    assert fail_to_pass == ["R01", "R02"]
    assert len(pass_to_pass) == len(REQUIREMENTS) - 1
