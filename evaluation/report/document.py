"""`report.json`: all measurements and the verdicts on them, validated against a schema."""

import json
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import jsonschema

from evaluation.records import INSTANCE_ID, CaseResult, Evaluation, Measured, PageCost, RealMinute
from evaluation.report.judgement import judgement, summary
from evaluation.report.printable import CONTROL
from evaluation.report.whole import written_whole
from evaluation.restored import measured_from

SCHEMA_VERSION = 1
SCHEMA = Path(__file__).with_name("report.schema.json")
FIELDS = {field.name for field in fields(CaseResult)}


def as_report(found: Evaluation) -> dict[str, Any]:
    """An evaluation in the form of `report.json`."""
    success, sides = found.outcome.name == "resolved", {"before": found.before, "after": found.after}
    verdicts = judgement(found.before, found.after, found.outcome.name)
    comparison = verdicts.pop("comparison")
    baseline_meets_all = all(row["before"]["passed"] is True for row in verdicts["requirements"])
    return {
        "schema_version": SCHEMA_VERSION,
        "instance_id": INSTANCE_ID,
        "run_id": found.run_id,
        "started_at": found.started_at.isoformat(),
        "finished_at": found.finished_at.isoformat(),
        "duration_seconds": round((found.finished_at - found.started_at).total_seconds(), 2),
        "profile": found.profile,
        "success": success,
        "outcome": found.outcome.name,
        "error": found.outcome.reason or None,
        "notes": list(found.notes),
        "environment": found.environment,
        "results": {
            "before": side(found.before, baseline_meets_all),
            "after": side(found.after, success),
            "comparison": comparison,
        },
        **verdicts,
        "work": samples(found.before, found.after, "work"),
        "cpu": samples(found.before, found.after, "cpu"),
        "load": samples(found.before, found.after, "load"),
        "difference": found.difference,
        "page_500": {name: page_as_json(one.page_500) for name, one in sides.items()},
    }


def side(measured: Measured, success: bool) -> dict[str, Any]:
    """The part of `results` for one side."""
    return {
        "candidate": measured.candidate,
        "success": success,
        "exit_code": measured.suite.exit_code,
        "tests": [{**asdict(test), "name": test.nodeid.rpartition("::")[2]} for test in measured.suite.tests],
        "summary": summary(measured),
        "stdout": measured.suite.stdout,
        "stderr": measured.suite.stderr,
        "duration_seconds": round(measured.suite.duration_s, 2),
        "seed": measured.suite.seed,
        "signals": [asdict(signal) for signal in measured.signals],
        "broken": [asdict(one) for one in measured.broken],
        "real_minute": minute_as_json(measured.real_minute),
        "error": measured.error,
        "content": measured.content,
    }


def samples(before: Measured, after: Measured, kind: str) -> dict[str, Any]:
    """`work`, `cpu` or `load`, by side and scenario."""
    return {
        name: {sample.scenario: asdict(sample) for sample in getattr(measured, kind)}
        for name, measured in (("before", before), ("after", after))
    }


def measured_side(report: dict[str, Any], name: str) -> Measured:
    """The measurements of one side (`before` or `after`), read back from a report.

    Tests in older reports have no criterion: each of them decides its requirement.
    """
    found = report["results"][name]
    return measured_from(
        {
            "candidate": found["candidate"],
            "suite": {
                "exit_code": found["exit_code"],
                "tests": [
                    {field: value for field, value in test.items() if field in FIELDS}
                    for test in found["tests"]
                ],
                "duration_s": found["duration_seconds"],
                "seed": found.get("seed"),
                "stdout": found.get("stdout", ""),
                "stderr": found.get("stderr", ""),
            },
            "work": list(report["work"][name].values()),
            "load": list(report["load"][name].values()),
            "signals": found["signals"],
            "error": found["error"],
            "content": found.get("content", ""),
            "growth": report["growth"][name]["pages"] if "growth" in report else [],
            "cpu": list(report["cpu"][name].values()) if "cpu" in report else [],
            "broken": found.get("broken", []),
            "real_minute": found.get("real_minute"),
            "counts": report["growth"][name].get("counts", []) if "growth" in report else [],
            "page_500": report.get("page_500", {}).get(name),
        }
    )


def page_as_json(cost: PageCost | None) -> dict[str, Any] | None:
    """The cost of a page that may not have been measured."""
    return None if cost is None else asdict(cost)


def minute_as_json(minute: RealMinute | None) -> dict[str, Any] | None:
    """A real minute; a list is a list in JSON, and no tuple."""
    return (
        None if minute is None else {**asdict(minute), "findings": [asdict(one) for one in minute.findings]}
    )


def validate(report: dict[str, Any]) -> None:
    """Raise jsonschema.ValidationError when this is not a report."""
    jsonschema.validate(report, json.loads(SCHEMA.read_text(encoding="utf-8")))


def write(report: dict[str, Any], folder: Path) -> Path:
    """Validate a report and write it to the folder."""
    return written_whole(folder / "report.json", as_bytes(report))


def as_bytes(report: dict[str, Any]) -> bytes:
    """A report as it stands in a file, after it was validated."""
    validate(report)
    text = json.dumps(report, indent=2, ensure_ascii=False) + "\n"
    # What a candidate sent may hold half a surrogate pair, or characters that a terminal obeys.
    return CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", text).encode()
