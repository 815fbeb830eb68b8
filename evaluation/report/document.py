"""`report.json`: all measurements and the verdicts on them, validated against a schema."""

import json
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

import jsonschema

from evaluation.judge.growth import deepenings, laws
from evaluation.records import INSTANCE_ID, Evaluation, Measured, Verdict, measured_from

SCHEMA_VERSION = 1
SCHEMA = Path(__file__).with_name("report.schema.json")


def as_report(found: Evaluation) -> dict[str, Any]:
    """An evaluation in the form of `report.json`."""
    success = found.outcome.name == "resolved"
    return {
        "schema_version": SCHEMA_VERSION,
        "instance_id": INSTANCE_ID,
        "run_id": found.run_id,
        "started_at": found.started_at.isoformat(),
        "finished_at": found.finished_at.isoformat(),
        "duration_seconds": round((found.finished_at - found.started_at).total_seconds(), 2),
        "success": success,
        "outcome": found.outcome.name,
        "error": found.outcome.reason or None,
        "environment": found.environment,
        "results": {
            "before": side(found.before, all(verdict.passed is True for verdict in found.before_verdicts)),
            "after": side(found.after, success),
            "comparison": {
                "fail_to_pass": found.fail_to_pass,
                "pass_to_pass": found.pass_to_pass,
            },
        },
        "requirements": requirement_rows(found.before_verdicts, found.after_verdicts),
        "work": samples(found.before, found.after, "work"),
        "load": samples(found.before, found.after, "load"),
        "growth": {"before": growth(found.before), "after": growth(found.after)},
    }


def side(measured: Measured, success: bool) -> dict[str, Any]:
    """The part of `results` for one side."""
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
        "signals": [asdict(signal) for signal in measured.signals],
        "error": measured.error,
        "content": measured.content,
    }


def requirement_rows(before: tuple[Verdict, ...], after: tuple[Verdict, ...]) -> list[dict[str, Any]]:
    """One row for each requirement, with both sides."""
    return [
        {
            "requirement": old.requirement,
            "before": {"passed": old.passed, "evidence": old.evidence},
            "after": {"passed": new.passed, "evidence": new.evidence},
        }
        for old, new in zip(before, after, strict=True)
    ]


def samples(before: Measured, after: Measured, kind: str) -> dict[str, Any]:
    """`work` or `load`, by side and scenario."""
    return {
        name: {sample.scenario: asdict(sample) for sample in getattr(measured, kind)}
        for name, measured in (("before", before), ("after", after))
    }


def growth(measured: Measured) -> dict[str, Any]:
    """Page costs by size and depth, and the laws that follow; empty lists when they were not measured."""
    return {
        "pages": [asdict(cost) for cost in measured.growth],
        "laws": [asdict(law) for law in laws(measured.growth)],
        "deepenings": [asdict(one) for one in deepenings(measured.growth)],
    }


def measured_side(report: dict[str, Any], name: str) -> Measured:
    """The measurements of one side (`before` or `after`), read back from a report."""
    found = report["results"][name]
    kept = ("nodeid", "outcome", "requirement")
    return measured_from(
        {
            "candidate": found["candidate"],
            "suite": {
                "exit_code": found["exit_code"],
                "tests": [{field: test[field] for field in kept} for test in found["tests"]],
                "duration_s": found["duration_seconds"],
            },
            "work": list(report["work"][name].values()),
            "load": list(report["load"][name].values()),
            "signals": found["signals"],
            "error": found["error"],
            "content": found.get("content", ""),
            "growth": report["growth"][name]["pages"] if "growth" in report else [],
        }
    )


def validate(report: dict[str, Any]) -> None:
    """Raise jsonschema.ValidationError when this is not a report."""
    jsonschema.validate(report, json.loads(SCHEMA.read_text()))


def write(report: dict[str, Any], folder: Path) -> Path:
    """Validate a report and write it to the folder."""
    validate(report)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "report.json"
    path.write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n")
    return path
