"""Judges which requirements a candidate meets, with pure functions of what was measured."""

from evaluation.judge import timings
from evaluation.records import REQUIREMENTS, CaseResult, LoadSample, Measured, Verdict

TIMED = ("stampede", "hot")


def judge(measured: Measured) -> tuple[Verdict, ...]:
    """One verdict per requirement, R01 to R16."""
    return tuple(judge_requirement(requirement, measured) for requirement in REQUIREMENTS)


def judge_requirement(requirement: str, measured: Measured) -> Verdict:
    """A requirement is met when all its tests passed; an error or a skip does not count as passed."""
    tests = [test for test in measured.suite.tests if test.requirement == requirement]
    failed = [test.nodeid for test in tests if test.outcome != "passed"]
    evidence: dict[str, object] = {"tests": len(tests), "failed": failed}
    timed: bool | None = True
    if requirement == "R01" and measured.load:
        evidence["load"] = {sample.scenario: timings.evidence(sample) for sample in measured.load}
        timed = is_fast_enough(measured.load)
    if requirement in ("R02", "R03", "R04"):
        evidence["statements_first_page"] = statements(measured, "first_page_cold")
    if requirement == "R08":
        evidence["statements_warm_page"] = statements(measured, "first_page_warm")
    if requirement == "R12":
        evidence["wire_bytes"] = {s.scenario: s.wire_bytes for s in measured.work}
    return Verdict(requirement, timed if tests and not failed else False, evidence)


def is_fast_enough(samples: tuple[LoadSample, ...]) -> bool | None:
    """R01: all 500 clients got a right answer, and P95 is under 200 ms; None when this machine cannot decide.

    A slow machine cannot make a candidate faster, so a pass always counts. A failure counts only on a machine
    that was able to meet the goal.
    """
    if any(sample.bodies_wrong or set(sample.outcomes) - {"200", "304"} for sample in samples):
        return False
    gated = [sample for sample in samples if sample.scenario in TIMED]
    seen = [timings.p95_ms(sample.rounds) for sample in gated]
    if all(value is not None and value < timings.P95_GOAL_MS for value in seen):
        return True
    return False if timings.machine_is_able(gated) else None


def statements(measured: Measured, scenario: str) -> dict[str, int]:
    """The statements of a scenario, as counted by the hooks and by the server."""
    for sample in measured.work:
        if sample.scenario == scenario:
            return {"hook": sample.statements_hook, "server": sample.statements_server}
    return {}


def failures(measured: Measured) -> list[CaseResult]:
    """Tests that did not pass: failed, skipped, or ended with an error."""
    return [test for test in measured.suite.tests if test.outcome != "passed"]


def split(before: Measured, after: Measured) -> tuple[list[str], list[str]]:
    """FAIL_TO_PASS and PASS_TO_PASS: the tests that pass on `after`, by whether they passed on `before`."""
    first = {test.nodeid: test.outcome for test in before.suite.tests}
    passed = sorted(test.nodeid for test in after.suite.tests if test.outcome == "passed")
    return (
        [nodeid for nodeid in passed if first.get(nodeid) != "passed"],
        [nodeid for nodeid in passed if first.get(nodeid) == "passed"],
    )
