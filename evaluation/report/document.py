"""`report.json`: everything that was seen and what was made of it, checked against its schema."""

import json
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

import jsonschema

from evaluation.records import Measured, Verdict

SCHEMA_VERSION = 1
INSTANCE_ID = "HOFAZ9"
SCHEMA = Path(__file__).with_name("report.schema.json")


def side(measured: Measured, success: bool) -> dict[str, Any]:
    """One side of `results`."""
    outcomes = Counter(test.outcome for test in measured.suite.tests)
    return {
        "candidate": measured.candidate,
        "success": success,
        "exit_code": measured.suite.exit_code,
        "tests": [{**asdict(test), "name": test.nodeid.rpartition("::")[2]} for test in measured.suite.tests],
        "summary": {
            "total": len(measured.suite.tests),
            "passed": outcomes["passed"],
            "failed": outcomes["failed"],
            "errors": outcomes["error"],
            "skipped": outcomes["skipped"],
        },
        "duration_seconds": round(measured.suite.duration_s, 2),
    }


def requirement_rows(before: tuple[Verdict, ...], after: tuple[Verdict, ...]) -> list[dict[str, Any]]:
    """One row per requirement with both sides."""
    return [
        {
            "requirement": old.requirement,
            "before": {"passed": old.passed, "evidence": old.evidence},
            "after": {"passed": new.passed, "evidence": new.evidence},
        }
        for old, new in zip(before, after, strict=True)
    ]


def samples(before: Measured, after: Measured, kind: str) -> dict[str, Any]:
    """`work` or `load`, per side and scenario."""
    return {
        name: {sample.scenario: asdict(sample) for sample in getattr(measured, kind)}
        for name, measured in (("before", before), ("after", after))
    }


def write(report: dict[str, Any], folder: Path) -> Path:
    """Validate a report and leave it in the folder."""
    jsonschema.validate(report, json.loads(SCHEMA.read_text()))
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "report.json"
    path.write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n")
    return path
