"""Writes gradings of predictions in the file formats of SWE-bench."""

import json
from pathlib import Path
from typing import Any

from evaluation.records import INSTANCE_ID


def write(model: str, report: dict[str, Any], instance: dict[str, Any], folder: Path) -> Path:
    """Write `<model>/<instance>/report.json` and `<model>.<run id>.json`; return the path of the latter."""
    outcome, safe = report["outcome"], model.replace("/", "__")
    passed = {t["nodeid"] for t in report["results"]["after"]["tests"] if t["outcome"] == "passed"}
    status = {
        name: {
            "success": [test for test in instance[name] if test in passed],
            "failure": [test for test in instance[name] if test not in passed],
        }
        for name in ("FAIL_TO_PASS", "PASS_TO_PASS")
    }
    row = {
        "patch_is_None": False,
        "patch_exists": outcome != "empty_patch",
        "patch_successfully_applied": outcome not in ("empty_patch", "patch_failed"),
        "resolved": outcome == "resolved",
        "tests_status": status,
    }
    own = folder / safe / INSTANCE_ID
    own.mkdir(parents=True, exist_ok=True)
    (own / "report.json").write_text(json.dumps({INSTANCE_ID: row}, indent=2) + "\n")
    ids = {
        "completed_ids": outcome in ("resolved", "unresolved", "tampered"),
        "incomplete_ids": False,
        "empty_patch_ids": outcome == "empty_patch",
        "submitted_ids": True,
        "resolved_ids": outcome == "resolved",
        "unresolved_ids": outcome in ("unresolved", "tampered"),
        "error_ids": outcome in ("patch_failed", "timeout", "no_verdict"),
    }
    lists = {name: [INSTANCE_ID] if holds else [] for name, holds in ids.items()}
    counts = {
        "total_instances": 1,
        "submitted_instances": 1,
        **{
            name.replace("_ids", "_instances"): len(lists[name])
            for name in ("completed_ids", "resolved_ids", "unresolved_ids", "empty_patch_ids", "error_ids")
        },
    }
    path = folder / f"{safe}.{report['run_id']}.json"
    path.write_text(json.dumps({**counts, **lists, "schema_version": 2}, indent=2) + "\n")
    return path
