"""Gradings of predictions are written as readers of SWE-bench results expect them."""

import json
from pathlib import Path

import pytest

from evaluation.report import predictions


@pytest.mark.parametrize(
    ("outcome", "listed"),
    [("resolved", "resolved_ids"), ("tampered", "unresolved_ids"), ("timeout", "error_ids")],
)
def test_a_run_summary_has_the_fields_of_swebench(tmp_path: Path, outcome: str, listed: str) -> None:
    tests = [{"nodeid": "a", "outcome": "passed"}, {"nodeid": "b", "outcome": "failed"}]
    report = {"outcome": outcome, "run_id": "0" * 8, "results": {"after": {"tests": tests}}}
    instance = {"FAIL_TO_PASS": ["a", "b"], "PASS_TO_PASS": ["c"]}

    summary = json.loads(predictions.write("some__model", report, instance, tmp_path).read_text())
    row = json.loads((tmp_path / "some__model/HOFAZ9/report.json").read_text())["HOFAZ9"]

    assert summary[listed] == summary["submitted_ids"] == ["HOFAZ9"]
    assert row["resolved"] == (outcome == "resolved")
    assert row["tests_status"]["FAIL_TO_PASS"] == {"success": ["a"], "failure": ["b"]}
    assert row["tests_status"]["PASS_TO_PASS"]["failure"] == ["c"]
