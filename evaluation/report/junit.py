"""Writes gradings as JUnit XML, for the dashboards of CI systems."""

from pathlib import Path
from typing import Any
from xml.etree import ElementTree


def write(reports: list[dict[str, Any]], path: Path) -> None:
    """Write one test suite for each candidate, with one case for each test."""
    root = ElementTree.Element("testsuites")
    for report in reports:
        side = report["results"]["after"]
        counts = side["summary"]
        suite = ElementTree.SubElement(
            root,
            "testsuite",
            name=side["candidate"],
            tests=str(counts["total"]),
            failures=str(counts["failed"]),
            errors=str(counts["errors"]),
            skipped=str(counts["skipped"]),
        )
        properties = ElementTree.SubElement(suite, "properties")
        for name in ("outcome", "error"):
            ElementTree.SubElement(properties, "property", name=name, value=str(report[name] or ""))
        for test in side["tests"]:
            case = ElementTree.SubElement(
                suite, "testcase", classname=test["requirement"] or "shared", name=test["nodeid"]
            )
            if test["outcome"] != "passed":
                kind = {"failed": "failure", "skipped": "skipped"}.get(test["outcome"], "error")
                ElementTree.SubElement(case, kind, message=test["outcome"])
    path.parent.mkdir(parents=True, exist_ok=True)
    ElementTree.ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)
