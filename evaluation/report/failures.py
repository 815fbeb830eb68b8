"""What did not hold on one side of a report: failed tests with their criterion, and failed measurements."""

from dataclasses import dataclass
from typing import Any

from evaluation.criteria import SPECIFIED
from evaluation.judge import cpu, timings
from evaluation.judge.timed import COLD_CRITERION, STAMPEDES, TIMED, WARM, has_wrong_answers
from evaluation.records import LoadSample
from evaluation.report.document import measured_side

MEASURED = (*TIMED, cpu.CRITERION)
"""The criteria that are judged by figures and not by tests."""
UNTIMED_LOAD = (
    "not measured, because neither the clients of the stampede nor those of a warm page were answered"
)


@dataclass(frozen=True, slots=True)
class Failure:
    """One failed test, or a criterion that a measurement says does not hold; then `test` is None.

    A test of an older report has a requirement instead of a criterion, or is `shared`.
    """

    criterion: str
    level: str
    sentence: str
    test: str | None
    message: str


def failures(report: dict[str, Any], side: str = "after") -> list[Failure]:
    """Everything that did not hold on one side, in the order of the criteria."""
    order = {name: number for number, name in enumerate(sentences(report))}
    tests = [test for test in report["results"][side]["tests"] if test["outcome"] != "passed"]
    found = [failure_of(report, test) for test in tests] + failed_measurements(report, side)
    return sorted(
        found, key=lambda one: (order.get(one.criterion, len(order)), one.criterion, one.test or "")
    )


def told_failures(report: dict[str, Any]) -> list[Failure]:
    """Failures of the candidate; none when it could not be measured, for then the reason is printed."""
    return [] if report["results"]["after"]["error"] else failures(report)


def specified_failures(report: dict[str, Any]) -> list[Failure]:
    """What of the candidate failed and decides the outcome."""
    return [one for one in told_failures(report) if one.level == SPECIFIED]


def failure_of(report: dict[str, Any], test: dict[str, Any]) -> Failure:
    """A failed test as a failure."""
    name = test.get("criterion") or test["requirement"] or "shared"
    level = test.get("level", SPECIFIED)
    return Failure(name, level, sentences(report).get(name, ""), test["nodeid"], test.get("message", ""))


def sentences(report: dict[str, Any]) -> dict[str, str]:
    """What is judged: the sentences of the criteria and the titles of the requirements, by id."""
    titles = {row["requirement"]: row.get("title", "") for row in report["requirements"]}
    return titles | {row["criterion"]: row["sentence"] for row in report.get("criteria", ())}


def failed_measurements(report: dict[str, Any], side: str) -> list[Failure]:
    """The criteria that failed by what was measured beside the suite."""
    judged = {one.criterion for one in measured_side(report, side).seen_broken}.union(MEASURED)
    return [
        Failure(
            row["criterion"], row["level"], row["sentence"], None, figures(report, side, row["criterion"])
        )
        for row in report.get("criteria", ())
        if row["criterion"] in judged and row[side]["passed"] is False
    ]


def figures(report: dict[str, Any], side: str, criterion: str) -> str:
    """What was measured beside the suite and decides a criterion; empty when nothing was."""
    if criterion in TIMED:
        return timing(report, side, criterion)
    measured = measured_side(report, side)
    if criterion == cpu.CRITERION:
        return "\n".join(map(cpu.told, measured.cpu))
    return "\n".join(one.message for one in measured.seen_broken if one.criterion == criterion)


def timing(report: dict[str, Any], side: str, criterion: str) -> str:
    """The figures that decide a timed criterion, one line for each scenario; empty when it was not timed."""
    load = measured_side(report, side).load
    cold = criterion == COLD_CRITERION
    told = [one for one in load if decides(one, cold=cold)]
    return "\n".join(map(figures_of_load, told)) or (UNTIMED_LOAD if load else "")


def decides(sample: LoadSample, *, cold: bool) -> bool:
    """Whether a scenario has a say: those that are timed always, others only by wrong answers."""
    is_stampede = sample.scenario in STAMPEDES
    return is_stampede == cold and (is_stampede or sample.scenario == WARM or has_wrong_answers(sample))


def figures_of_load(sample: LoadSample) -> str:
    """The P95 of a scenario beside its limit, and what was answered."""
    answers = ", ".join(f"{count} x {outcome}" for outcome, count in sample.outcomes.items())
    p95_ms, null_ms = timings.p95_ms(sample.rounds), timings.p95_ms(sample.null_rounds)
    p95 = f"P95 {p95_ms:.0f} ms" if p95_ms is not None else "no P95"
    null = f", null server {null_ms:.0f} ms" if null_ms is not None else ""
    wrong = f", {sample.bodies_wrong} of {sample.bodies_checked} bodies wrong" if sample.bodies_wrong else ""
    rounds = timings.rounds_over_limit(sample.rounds)
    return f"{sample.scenario}, {sample.clients} clients: {p95} ({rounds}){null}; {answers}{wrong}"
