"""Tells one failed test of a report whole, or all tests of a criterion."""

from typing import Any

from evaluation.errors import UsageError
from evaluation.report.failures import Failure, failures, figures, sentences
from evaluation.report.printable import one_line, printable

MARKS = {True: "met", False: "not met", None: "not judged"}
MOST_NAMED = 20
SIDES = {"after": "candidate", "before": "baseline"}


def text(report: dict[str, Any], wanted: str | None) -> str:
    """What failed, or the tests that `wanted` names: a criterion, a test id, or a unique part of one.

    UsageError when it names nothing, or several tests.
    """
    if wanted is None:
        return printable("\n".join(failed(report)))
    names = tests_named(report, wanted)
    blocks = [criterion_block(report, wanted)] if wanted in criteria_of(report) else []
    return printable("\n\n".join([*blocks, *(test_block(report, name) for name in names)]))


def failed(report: dict[str, Any]) -> list[str]:
    """One line for each failure of the candidate."""
    found = failures(report)
    lines = [failure_line(one) for one in found]
    return lines or ["nothing failed"]


def failure_line(failure: Failure) -> str:
    """The criterion and the test of a failure."""
    level = "" if failure.level == "specified" else f" ({failure.level})"
    return f"{failure.criterion}{level}  {one_line(failure.test or failure.message)}"


def criteria_of(report: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The criteria of a report by id."""
    return {row["criterion"]: row for row in report.get("criteria", ())}


def tests_of(report: dict[str, Any]) -> dict[str, dict[str, dict[str, Any]]]:
    """Both results of every test: by id, then by side."""
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for side in SIDES:
        for test in report["results"][side]["tests"]:
            found.setdefault(test["nodeid"], {})[side] = test
    return found


def tests_named(report: dict[str, Any], wanted: str) -> list[str]:
    """The ids of the tests that a criterion, a requirement, a test id or a unique part of one names."""
    tests = tests_of(report)
    if wanted in tests:
        return [wanted]
    owned = [
        name
        for name, sides in sorted(tests.items())
        if wanted
        in {owner for test in sides.values() for owner in (test.get("criterion"), test["requirement"])}
    ]
    if owned or wanted in criteria_of(report):
        return owned
    found = sorted(name for name in tests if wanted in name)
    if len(found) == 1:
        return found
    if not found:
        raise UsageError(f"the report has no test and no criterion {wanted!r}")
    more = f"\n  and {len(found) - MOST_NAMED} more" if len(found) > MOST_NAMED else ""
    raise UsageError(f"{wanted!r} names {len(found)} tests:\n  " + "\n  ".join(found[:MOST_NAMED]) + more)


def criterion_block(report: dict[str, Any], name: str) -> str:
    """A criterion with its verdicts, and what was measured for it beside the suite."""
    row = criteria_of(report)[name]
    lines = [f"{name} ({row['level']}): {row['sentence']}"]
    for side, who in SIDES.items():
        lines.append(f"{who}: {MARKS[row[side]['passed']]}")
        lines += [f"    {line}" for line in figures(report, side, name).splitlines()]
    return "\n".join(lines)


def test_block(report: dict[str, Any], name: str) -> str:
    """One test: its criterion, its outcome on both sides, and the whole of what it said."""
    sides = tests_of(report)[name]
    test = next(iter(sides.values()))
    owner = test.get("criterion") or test["requirement"] or "shared"
    outcomes = [f"{who}: {sides[side]['outcome']}" for side, who in SIDES.items() if side in sides]
    head = [
        f"{owner} ({test.get('level', 'specified')}): {sentences(report).get(owner, '')}",
        f"test: {name}",
        *outcomes,
    ]
    messages = [
        f"what the {who} did:\n{sides[side]['message']}"
        for side, who in SIDES.items()
        if side in sides and sides[side].get("message")
    ]
    return "\n\n".join(["\n".join(head), *messages])
