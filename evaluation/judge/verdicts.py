"""Judges which requirements a candidate meets, with pure functions of what was measured."""

from evaluation.criteria import SPECIFIED, criteria
from evaluation.judge import cpu, timings
from evaluation.judge.measurements import together, verdicts_of_measurements
from evaluation.records import REQUIREMENTS, CaseResult, Measured, Verdict


def judge(measured: Measured) -> tuple[Verdict, ...]:
    """One verdict per requirement, R01 to R16."""
    return tuple(judge_requirement(requirement, measured) for requirement in REQUIREMENTS)


def judge_requirement(requirement: str, measured: Measured) -> Verdict:
    """A requirement is met when its specified tests passed and what was measured for its criteria says so.

    An error or a skip is no pass. Without a specified test or measurement a requirement is not met.
    """
    tests = [test for test in specified(measured) if test.requirement == requirement]
    failed = [test.nodeid for test in tests if test.outcome != "passed"]
    evidence: dict[str, object] = {"tests": len(tests), "failed": failed}
    found = [*([not failed] if tests else []), *measurements(requirement, measured)]
    passed = together(found) if found else False
    if requirement == "R01" and measured.load:
        evidence["load"] = {sample.scenario: timings.evidence(sample) for sample in measured.load}
    if requirement == "R01" and measured.cpu:
        evidence["cpu"] = {cost.scenario: cpu.evidence(cost) for cost in measured.cpu}
    if requirement in ("R02", "R03", "R04"):
        evidence["statements_first_page"] = statements(measured, "first_page_cold")
    if requirement == "R08":
        evidence["statements_warm_page"] = statements(measured, "first_page_warm")
    if requirement == "R12":
        evidence["wire_bytes"] = {s.scenario: s.wire_bytes for s in measured.work}
    return Verdict(requirement, passed, evidence)


def measurements(requirement: str, measured: Measured) -> list[bool | None]:
    """What was measured for the specified criteria of a requirement says."""
    return [
        answer
        for one in criteria().values()
        if one.requirement == requirement and one.level == SPECIFIED
        for answer in verdicts_of_measurements(one.id, measured)
    ]


def statements(measured: Measured, scenario: str) -> dict[str, int]:
    """The statements of a scenario, as counted by the hooks and by the server."""
    for sample in measured.work:
        if sample.scenario == scenario:
            return {"hook": sample.statements_hook, "server": sample.statements_server}
    return {}


def specified(measured: Measured) -> list[CaseResult]:
    """The tests that decide the outcome."""
    return [test for test in measured.suite.tests if test.level == SPECIFIED]


def failures(measured: Measured) -> list[CaseResult]:
    """Specified tests that did not pass: failed, skipped, or ended with an error."""
    return [test for test in specified(measured) if test.outcome != "passed"]


def hardening_passed(measured: Measured) -> list[str]:
    """The tests that passed beside those that decide the outcome."""
    return sorted(t.nodeid for t in measured.suite.tests if t.level != SPECIFIED and t.outcome == "passed")


def split(before: Measured, after: Measured) -> tuple[list[str], list[str]]:
    """FAIL_TO_PASS and PASS_TO_PASS: specified tests passed on `after`, by how they ended on `before`."""
    first = {test.nodeid: test.outcome for test in before.suite.tests}
    passed = sorted(test.nodeid for test in specified(after) if test.outcome == "passed")
    return (
        [nodeid for nodeid in passed if first.get(nodeid) != "passed"],
        [nodeid for nodeid in passed if first.get(nodeid) == "passed"],
    )
