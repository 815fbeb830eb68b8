"""Writes gradings as JUnit XML, for the dashboards of CI systems."""

from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from evaluation.report.failures import Failure, failure_of
from evaluation.report.printable import one_line, printable
from evaluation.report.whole import written_whole

KINDS = {"failed": "failure", "skipped": "skipped", "error": "error"}


def write(reports: list[dict[str, Any]], path: Path) -> None:
    """Write one test suite for each candidate, with one case for each test."""
    root = ElementTree.Element("testsuites")
    for report in reports:
        add_suite(root, report)
    written_whole(path, ElementTree.tostring(root, encoding="utf-8", xml_declaration=True))


def add_suite(root: ElementTree.Element, report: dict[str, Any]) -> None:
    """Add the tests of one candidate."""
    side = report["results"]["after"]
    counts = side["summary"]
    numbers = {"tests": "total", "failures": "failed", "errors": "errors", "skipped": "skipped"}
    suite = added(
        root,
        "testsuite",
        name=side["candidate"],
        **{name: str(counts[count]) for name, count in numbers.items()},
    )
    properties = added(suite, "properties")
    for name in ("outcome", "error", "profile", "hardened"):
        added(properties, "property", name=name, value=str(report.get(name) or ""))
    for note in report.get("notes", ()):
        added(properties, "property", name="note", value=note)
    for test in side["tests"]:
        named = {"classname": test["requirement"] or "shared", "name": test["nodeid"]}
        case = added(suite, "testcase", **named, time=f"{test.get('duration_seconds', 0):.3f}")
        if test["outcome"] != "passed":
            add_failure(case, KINDS[test["outcome"]], failure_of(report, test))


def add_failure(case: ElementTree.Element, kind: str, failure: Failure) -> None:
    """Add what a failed test said; its type is the level of its criterion."""
    message = one_line(failure.message) or f"{failure.criterion} does not hold"
    element = added(case, kind, message=message, type=failure.level)
    element.text = printable(f"{failure.criterion} {failure.sentence}\n\n{failure.message}")


def added(parent: ElementTree.Element, tag: str, **attributes: str) -> ElementTree.Element:
    """Add an element; XML cannot contain every character that a candidate can send."""
    return ElementTree.SubElement(parent, tag, {k: printable(value) for k, value in attributes.items()})
