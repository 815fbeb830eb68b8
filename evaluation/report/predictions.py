"""Writes gradings of predictions in the file formats of SWE-bench."""

import json
from pathlib import Path
from typing import Any

from evaluation.records import INSTANCE_ID
from evaluation.report.whole import written_whole


def write(name: str, report: dict[str, Any], instance: dict[str, Any], folder: Path) -> Path:
    """Write `<name>/<instance>/report.json` and `<name>.<run id>.json`; return the path of the latter.

    The name is that of the submission: the model's, made a plain name of a file.
    """
    outcome = report["outcome"]
    passed = {t["nodeid"] for t in report["results"]["after"]["tests"] if t["outcome"] == "passed"}
    status = {
        tests: {
            "success": [test for test in instance[tests] if test in passed],
            "failure": [test for test in instance[tests] if test not in passed],
        }
        for tests in ("FAIL_TO_PASS", "PASS_TO_PASS")
    }
    row = {
        "patch_is_None": False,
        "patch_exists": outcome != "empty_patch",
        "patch_successfully_applied": outcome not in ("empty_patch", "patch_failed"),
        "resolved": outcome == "resolved",
        "tests_status": status,
    }
    as_json(folder / name / INSTANCE_ID / "report.json", {INSTANCE_ID: row})
    ids = {
        "completed_ids": outcome in ("resolved", "unresolved", "tampered"),
        "incomplete_ids": False,
        "empty_patch_ids": outcome == "empty_patch",
        "submitted_ids": True,
        "resolved_ids": outcome == "resolved",
        "unresolved_ids": outcome in ("unresolved", "tampered"),
        "error_ids": outcome in ("patch_failed", "timeout", "no_verdict"),
    }
    lists = {kind: [INSTANCE_ID] if holds else [] for kind, holds in ids.items()}
    counts = {
        "total_instances": 1,
        "submitted_instances": 1,
        **{
            kind.replace("_ids", "_instances"): len(lists[kind])
            for kind in ("completed_ids", "resolved_ids", "unresolved_ids", "empty_patch_ids", "error_ids")
        },
    }
    path = folder / f"{name}.{report['run_id']}.json"
    return as_json(path, {**counts, **lists, "schema_version": 2})


def as_json(path: Path, content: dict[str, Any]) -> Path:
    """Write a file of JSON."""
    return written_whole(path, (json.dumps(content, indent=2) + "\n").encode())
