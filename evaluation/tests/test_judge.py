"""Verdicts and outcomes follow from records."""

from dataclasses import replace

import pytest

from evaluation.judge import timings
from evaluation.judge.outcomes import outcome_of
from evaluation.judge.verdicts import judge, split
from evaluation.records import (
    REQUIREMENTS,
    CaseResult,
    LoadSample,
    Measured,
    Round,
    Signal,
    SuiteRun,
    WorkSample,
)

WORK = tuple(WorkSample(name, 200, 3, 3, 1, 1, 1, 1, "") for name in ("first_page_cold", "first_page_warm"))


def measured(broken: dict[str, str]) -> Measured:
    """A candidate with one test for each requirement and one shared; `broken` has the bad outcomes."""
    names = [*REQUIREMENTS, "shared"]
    tests = tuple(
        CaseResult(name, broken.get(name, "passed"), None if name == "shared" else name) for name in names
    )
    return Measured("c", SuiteRun(0, tests, 1.0), WORK, ())


def test_a_candidate_that_passes_all_tests_is_resolved() -> None:
    good = measured({})

    assert outcome_of(good, judge(good)).name == "resolved"


@pytest.mark.parametrize("outcome", ["failed", "error", "skipped"])
@pytest.mark.parametrize("name", ["R07", "shared"])
def test_only_passed_tests_count(name: str, outcome: str) -> None:
    bad = measured({name: outcome})

    judged = outcome_of(bad, judge(bad))

    assert judged.name == "unresolved"
    assert name in judged.reason
    assert [v.requirement for v in judge(bad) if not v.passed] == ([name] if name != "shared" else [])


def test_a_sign_of_tampering_outweighs_passed_tests() -> None:
    cheat = replace(measured({}), signals=(Signal("no_work", "GET /products"),))

    assert outcome_of(cheat, judge(cheat)).name == "tampered"


def test_a_requirement_without_tests_is_not_met() -> None:
    empty = Measured("c", SuiteRun(0, (CaseResult("shared", "passed", None),), 1.0), WORK, ())

    assert not any(verdict.passed for verdict in judge(empty))


def test_the_split_compares_both_sides() -> None:
    fail_to_pass, pass_to_pass = split(measured({"R01": "failed", "R02": "error"}), measured({}))

    assert fail_to_pass == ["R01", "R02"]
    assert len(pass_to_pass) == len(REQUIREMENTS) - 1


def loaded(candidate_p95_ms: float, null_p95_ms: float, status: str = "200") -> Measured:
    """A candidate that passes all tests, with these P95 for 500 clients on one page, warm and cold."""

    def rounds(p95_ms: float) -> tuple[Round, ...]:
        return (Round(500, 1000.0, p95_ms, p95_ms, p95_ms, p95_ms, 0.1),) * 5

    samples = tuple(
        LoadSample(
            name, 500, {status: 2500}, rounds(candidate_p95_ms), rounds(null_p95_ms), 0, 0, 0, 0, 0
        )
        for name in ("stampede", "hot")
    )  # fmt: skip
    return replace(measured({}), load=samples)


@pytest.mark.parametrize(
    ("candidate_p95_ms", "null_p95_ms", "passed", "outcome"),
    [
        (120, 30, True, "resolved"),
        (120, 90, True, "resolved"),
        (270, 30, False, "unresolved"),
        (270, 90, None, "no_verdict"),
    ],
    ids=["quick", "quick-on-a-slow-machine", "slow", "slow-on-a-slow-machine"],
)
def test_a_slow_candidate_fails_only_where_the_null_server_is_quick(
    candidate_p95_ms: float, null_p95_ms: float, passed: bool | None, outcome: str
) -> None:
    candidate = loaded(candidate_p95_ms, null_p95_ms)
    verdicts = judge(candidate)

    assert verdicts[0].passed is passed
    assert outcome_of(candidate, verdicts).name == outcome


def test_a_failed_requirement_is_unresolved_even_where_timings_cannot_be_judged() -> None:
    slow = loaded(270, 90)
    candidate = replace(measured({"R07": "failed"}), load=slow.load)

    assert outcome_of(candidate, judge(candidate)).name == "unresolved"


def test_a_quick_error_does_not_meet_r01() -> None:
    assert judge(loaded(5, 5, status="500"))[0].passed is False


def test_two_measurements_of_one_server_do_not_differ() -> None:
    same = [Round(500, float(rate), 1, 1, 1, 1, 0.1) for rate in (100, 104, 98, 101, 99, 102)]
    other = [replace(one, throughput=one.throughput * 1.5) for one in same]

    assert not timings.differ(same, [replace(one, throughput=one.throughput + 1) for one in same])
    assert timings.differ(other, same)


@pytest.mark.parametrize(("factor", "differs"), [(1.01, False), (1.5, True)])
def test_the_null_server_is_compared_with_itself(factor: float, differs: bool) -> None:
    hot = loaded(40, 20).load[-1]
    rates = (100.0, 104.0, 98.0, 101.0, 99.0)
    null = tuple(replace(hot.null_rounds[0], throughput=rate) for rate in rates)
    again = tuple(replace(one, throughput=factor * one.throughput) for one in null)

    evidence = timings.evidence(replace(hot, null_rounds=null, null_again_rounds=again))

    assert evidence["null_differs_from_itself"] is differs
