"""Verdicts and outcomes follow from records."""

from dataclasses import replace
from typing import Any

import pytest

from evaluation.criteria import HARDENING, criteria
from evaluation.judge import cpu, timed, timings
from evaluation.judge.criteria import hardening, judge_criteria
from evaluation.judge.outcomes import outcome_of
from evaluation.judge.verdicts import hardening_passed, judge, split
from evaluation.records import (
    REQUIREMENTS,
    Broken,
    CaseResult,
    CpuCost,
    CriterionVerdict,
    LoadSample,
    Measured,
    Round,
    Signal,
    SuiteRun,
    WorkSample,
)

WORK = tuple(WorkSample(name, 200, 3, 3, 1, 1, 1, 1, "") for name in ("first_page_cold", "first_page_warm"))
CHEAP = CpuCost("warm_page", 4000, 200.0, 40.0, {"200": 4000}, 20)


def measured(broken: dict[str, str]) -> Measured:
    """A candidate with one test for each requirement and one shared; `broken` has the bad outcomes."""
    names = [*REQUIREMENTS, "shared"]
    tests = tuple(
        CaseResult(name, broken.get(name, "passed"), None if name == "shared" else name) for name in names
    )
    return Measured("c", SuiteRun(0, tests, 1.0), WORK, ())


def by_criterion(broken: dict[str, str]) -> Measured:
    """A candidate with one test for each criterion that tests decide; `broken` has the bad outcomes."""
    tests = tuple(
        CaseResult(f"test of {one.id}", broken.get(one.id, "passed"), one.requirement, one.id, one.level)
        for one in criteria().values()
        if one.profile is None and one.id != cpu.CRITERION
    )
    return Measured("c", SuiteRun(0, tests, 1.0), WORK, (), cpu=(CHEAP,))


def verdict(measured: Measured, name: str) -> CriterionVerdict:
    """The verdict on one criterion."""
    [found] = [one for one in judge_criteria(measured) if one.criterion == name]
    return found


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


def test_wrong_answers_on_changed_rows_break_the_api_and_are_no_tampering() -> None:
    wrong = tuple(Broken("API.2", f"GET /products?limit={n}: 'a' instead of 'b'") for n in (5, 6, 7))
    bad = replace(by_criterion({}), broken=wrong)

    judged = outcome_of(bad, judge(bad))

    assert judged.name == "unresolved"
    assert judged.reason == (
        "API.2: GET /products?limit=5: 'a' instead of 'b'; API.2: GET /products?limit=6: 'a' instead of 'b'; "
        "and 1 more wrong answers"
    )
    assert [one.criterion for one in judge_criteria(bad) if one.passed is False] == ["API.2"]


def test_a_failed_hardening_criterion_decides_nothing() -> None:
    soft = by_criterion({one.id: "failed" for one in criteria().values() if one.level == HARDENING})

    assert all(found.passed for found in judge(soft))
    assert outcome_of(soft, judge(soft)).name == "resolved"
    assert hardening(judge_criteria(soft)).held == 0


@pytest.mark.parametrize("name", ["R08.3", "API.2"])
def test_a_failed_specified_criterion_decides(name: str) -> None:
    bad = by_criterion({name: "failed"})

    judged = outcome_of(bad, judge(bad))

    assert judged.name == "unresolved"
    assert [one.criterion for one in judge_criteria(bad) if one.passed is False] == [name]
    assert verdict(bad, name).failed == (f"test of {name}",)


def test_a_requirement_with_hardening_tests_alone_is_not_met() -> None:
    tests = tuple(one for one in by_criterion({}).suite.tests if one.level == HARDENING)
    soft = Measured("c", SuiteRun(0, tests, 1.0), WORK, ())

    assert not any(found.passed for found in judge(soft))


def test_hardening_names_what_is_missing_of_what_was_judged() -> None:
    found = hardening(judge_criteria(by_criterion({"R12.4": "failed", "R15.6": "skipped"})))

    untimed = [one for one in criteria().values() if one.level == HARDENING and one.profile is None]
    assert found.missing == ("R12.4", "R15.6")
    assert (found.held, found.total) == (len(untimed) - 2, len(untimed))
    assert not found.is_complete
    assert hardening(judge_criteria(by_criterion({}))).is_complete
    assert not hardening(judge_criteria(measured({}))).is_complete, "nothing was judged"


def test_a_criterion_without_tests_has_no_verdict() -> None:
    assert verdict(measured({}), "R08.3").passed is None
    assert verdict(by_criterion({}), "R01.1").passed is None


def test_the_lists_of_tests_are_told_apart_by_level() -> None:
    good = by_criterion({})
    fail_to_pass, pass_to_pass = split(by_criterion({"R08.3": "failed", "R08.6": "failed"}), good)

    assert fail_to_pass == ["test of R08.3"]
    assert "test of R08.6" not in pass_to_pass
    assert "test of R08.6" in hardening_passed(good)
    assert not set(hardening_passed(good)) & {*fail_to_pass, *pass_to_pass}
    assert "test of R08.6" not in hardening_passed(by_criterion({"R08.6": "failed"}))


@pytest.mark.parametrize(
    ("change", "passed"),
    [
        ({}, True),
        ({"candidate_us": 1600.0}, True),
        ({"candidate_us": 1601.0}, False),
        ({"outcomes": {"200": 3999, "304": 1}}, True),
        ({"outcomes": {"200": 3999, "500": 1}}, False),
        ({"outcomes": {"timeout": 2}, "requests": 0, "candidate_us": None}, False),
        ({"outcomes": {"timeout": 1}, "requests": 0, "candidate_us": None, "null_us": None}, False),
    ],
)
def test_a_warm_answer_may_cost_forty_times_the_null_servers_cpu_time(
    change: dict[str, Any], passed: bool
) -> None:
    candidate = replace(by_criterion({}), cpu=(replace(CHEAP, **change),))
    verdicts = judge(candidate)

    assert verdict(candidate, "R01.2").passed is passed
    assert [one.requirement for one in verdicts if not one.passed] == ([] if passed else ["R01"])
    assert outcome_of(candidate, verdicts).name == ("resolved" if passed else "unresolved")


def test_the_reason_and_the_evidence_tell_the_cpu_time_of_a_warm_answer() -> None:
    costly = replace(by_criterion({}), cpu=(replace(CHEAP, candidate_us=2218.0, null_us=45.0),))
    verdicts = judge(costly)

    told = "R01.2: 2218 us of CPU for a warm answer (20 clients), 49.3 times the null server's 45 us"
    assert outcome_of(costly, verdicts).reason == f"not met: R01; {told}"
    assert verdicts[0].evidence["cpu"] == {
        "warm_page": {
            "outcomes": {"200": 4000},
            "candidate_us": 2218.0,
            "null_us": 45.0,
            "clients": 20,
            "times_the_null_server": 49.29,
        }
    }


def test_cpu_time_alone_decides_r01_where_the_suite_has_no_specified_test_of_it() -> None:
    unmeasured = replace(by_criterion({}), cpu=())

    assert judge(by_criterion({}))[0].passed is True
    assert judge(unmeasured)[0].passed is False
    assert verdict(unmeasured, "R01.2").passed is None


def rounds(*p95_ms: float | None) -> tuple[Round, ...]:
    """Rounds with these P95."""
    return tuple(Round(500, 1000.0, one, one, one, one, 0.1) for one in p95_ms)


def load(scenario: str, p95_ms: float, null_p95_ms: float = 30.0, status: str = "200") -> LoadSample:
    """A scenario with five rounds of this P95 for 500 clients."""
    return LoadSample(
        scenario, 500, {status: 2500}, rounds(*[p95_ms] * 5), rounds(*[null_p95_ms] * 5), 0, 0, 0, 5, 0
    )


def loaded(*samples: LoadSample) -> Measured:
    """A candidate that passes all tests, under load."""
    return replace(by_criterion({}), load=samples)


def test_every_timed_criterion_is_judged_by_load() -> None:
    assert {one.id for one in criteria().values() if one.profile == "full"} == set(timed.TIMED)


@pytest.mark.parametrize(
    ("candidate_p95_ms", "null_p95_ms", "passed", "outcome"),
    [
        (120, 30, True, "resolved"),
        (199.9, 30, True, "resolved"),
        (200, 30, False, "unresolved"),
        (120, 90, True, "resolved"),
        (270, 30, False, "unresolved"),
        (270, 90, None, "no_verdict"),
    ],
)
def test_a_slow_candidate_fails_only_where_the_null_server_is_quick(
    candidate_p95_ms: float, null_p95_ms: float, passed: bool | None, outcome: str
) -> None:
    candidate = loaded(load("stampede", 150), load("hot", candidate_p95_ms, null_p95_ms))
    verdicts = judge(candidate)

    assert verdicts[0].passed is passed
    assert verdict(candidate, "R01.1").passed is passed
    assert outcome_of(candidate, verdicts).name == outcome


@pytest.mark.parametrize(
    "cold", [load("stampede", 900), load("stampede", 900, 90), load("stampede", 150, status="500")]
)
def test_a_slow_or_broken_stampede_is_no_failure_of_r01(cold: LoadSample) -> None:
    candidate = loaded(cold, load("hot", 28))

    assert outcome_of(candidate, judge(candidate)).name == "resolved"
    assert not verdict(candidate, "R01.4").passed
    assert verdict(candidate, "R01.1").passed


def test_wrong_answers_of_two_processes_fail_the_hardening_alone() -> None:
    two = replace(load("stampede_two_processes", 150), bodies_wrong=1)
    candidate = loaded(load("stampede", 150), two, load("hot", 28))

    assert (verdict(candidate, "R01.4").passed, verdict(candidate, "R01.1").passed) == (False, True)


@pytest.mark.parametrize("scenario", ["hot", "mixed", "popular_60s"])
@pytest.mark.parametrize("change", [{"outcomes": {"200": 2499, "500": 1}}, {"bodies_wrong": 1}])
def test_wrong_answers_in_any_other_scenario_fail_r01(scenario: str, change: dict[str, Any]) -> None:
    candidate = loaded(load("stampede", 150), load("hot", 28), replace(load(scenario, 28, 90), **change))

    assert judge(candidate)[0].passed is False
    assert verdict(candidate, "R01.1").passed is False
    assert verdict(candidate, "R01.4").passed is True


def test_304_is_an_answer() -> None:
    candidate = loaded(load("hot", 28), load("revalidate", 20, status="304"))

    assert verdict(candidate, "R01.1").passed is True


def test_a_candidate_that_answered_nobody_is_judged() -> None:
    nobody = replace(load("stampede", 1), outcomes={"timeout": 500}, rounds=rounds(None), null_rounds=())
    candidate = loaded(nobody)

    assert (verdict(candidate, "R01.1").passed, verdict(candidate, "R01.4").passed) == (False, False)
    assert outcome_of(candidate, judge(candidate)).name == "unresolved"


def test_a_minute_of_popular_pages_alone_times_nothing() -> None:
    candidate = loaded(load("popular_60s", 300))

    assert verdict(candidate, "R01.1").passed is None
    assert outcome_of(candidate, judge(candidate)).name == "resolved"


def test_a_failed_requirement_is_unresolved_even_where_timings_cannot_be_judged() -> None:
    candidate = replace(by_criterion({"R07.1": "failed"}), load=loaded(load("hot", 270, 90)).load)

    assert outcome_of(candidate, judge(candidate)).name == "unresolved"


def test_the_evidence_of_load_says_how_many_rounds_missed_the_goal() -> None:
    hot = replace(load("hot", 28), rounds=rounds(*[150] * 7, 200, 250, 300, None))

    assert timings.evidence(hot)["rounds_over_limit"] == "4 of 11 rounds over 200 ms"


def test_two_measurements_of_one_server_do_not_differ() -> None:
    same = [Round(500, float(rate), 1, 1, 1, 1, 0.1) for rate in (100, 104, 98, 101, 99, 102)]
    other = [replace(one, throughput=one.throughput * 1.5) for one in same]

    assert not timings.differ(same, [replace(one, throughput=one.throughput + 1) for one in same])
    assert timings.differ(other, same)


@pytest.mark.parametrize(("factor", "differs"), [(1.01, False), (1.5, True)])
def test_the_null_server_is_compared_with_itself(factor: float, differs: bool) -> None:
    hot = load("hot", 40, 20)
    rates = (100.0, 104.0, 98.0, 101.0, 99.0)
    null = tuple(replace(hot.null_rounds[0], throughput=rate) for rate in rates)
    again = tuple(replace(one, throughput=factor * one.throughput) for one in null)

    evidence = timings.evidence(replace(hot, null_rounds=null, null_again_rounds=again))

    assert evidence["null_differs_from_itself"] is differs
