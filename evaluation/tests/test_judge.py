"""How verdicts follow from records."""

import pytest

from evaluation.judge.verdicts import is_resolved, judge, split
from evaluation.records import REQUIREMENTS, CaseResult, Measured, SuiteRun, WorkSample

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

    assert is_resolved(good, judge(good))


@pytest.mark.parametrize("outcome", ["failed", "error", "skipped"])
@pytest.mark.parametrize("name", ["R07", "shared"])
def test_nothing_but_a_pass_is_a_pass(name: str, outcome: str) -> None:
    bad = measured({name: outcome})

    assert not is_resolved(bad, judge(bad))
    assert [v.requirement for v in judge(bad) if not v.passed] == ([name] if name != "shared" else [])


def test_a_requirement_without_tests_is_not_met() -> None:
    empty = Measured("c", SuiteRun(0, (CaseResult("shared", "passed", None),), 1.0), WORK, ())

    assert not any(verdict.passed for verdict in judge(empty))


def test_the_split_compares_both_sides() -> None:
    fail_to_pass, pass_to_pass = split(measured({"R01": "failed", "R02": "error"}), measured({}))

    assert fail_to_pass == ["R01", "R02"]
    assert len(pass_to_pass) == len(REQUIREMENTS) - 1
