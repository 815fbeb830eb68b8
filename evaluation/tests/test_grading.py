"""Submissions are read and turned into folders; gradings of predictions are written."""

import json
from pathlib import Path

import pytest

from evaluation.candidates.folder import contents
from evaluation.candidates.patches import apply_patch
from evaluation.candidates.submissions import Submission, read_submissions
from evaluation.errors import EmptyPatchError, PatchFailedError, UsageError
from evaluation.report import predictions

ROOT = Path(__file__).parents[2]
BEFORE, AFTER = ROOT / "repository_before", ROOT / "repository_after"
PATCH = (ROOT / "patches/HOFAZ9.patch").read_text()


@pytest.mark.parametrize(
    "patch",
    [
        PATCH,
        PATCH.replace(" a/", " a/repository_before/").replace(" b/", " b/repository_before/"),
    ],
    ids=["bare", "with-folder"],
)
def test_a_patch_applies_with_and_without_the_name_of_the_folder(tmp_path: Path, patch: str) -> None:
    apply_patch(BEFORE, patch, tmp_path / "candidate")

    assert contents(tmp_path / "candidate") == contents(AFTER)


def test_the_message_for_a_patch_that_does_not_apply_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(PatchFailedError, match=r"cache\.py|crud\.py"):
        apply_patch(AFTER, PATCH, tmp_path / "candidate")


@pytest.mark.parametrize("patch", ["", "  \n", "just words\n"])
def test_a_patch_without_a_change_is_empty(tmp_path: Path, patch: str) -> None:
    with pytest.raises(EmptyPatchError):
        Submission("p", tmp_path, patch).as_folder(tmp_path / "candidate")


ROW = {"instance_id": "HOFAZ9", "model_name_or_path": "some/model", "model_patch": PATCH}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("p.jsonl", json.dumps(ROW) + "\n"),
        ("p.json", json.dumps([ROW])),
        ("p.json", json.dumps({"HOFAZ9": {"model_name_or_path": "some/model", "model_patch": PATCH}})),
    ],
    ids=["lines", "list", "object"],
)
def test_predictions_come_in_three_forms(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)

    assert read_submissions([tmp_path / name]) == [
        Submission("some__model", tmp_path / name, PATCH, "some/model")
    ]


@pytest.mark.parametrize(
    ("name", "text"),
    [("p.jsonl", "{"), ("p.json", "[1]"), ("p.json", '[{"instance_id": "other", "model_patch": ""}]')],
)
def test_a_bad_predictions_file_is_a_usage_error(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)

    with pytest.raises(UsageError, match=name):
        read_submissions([tmp_path / name])


def test_a_missing_path_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nowhere"):
        read_submissions([tmp_path / "nowhere"])


def test_two_submissions_of_one_name_get_unique_names(tmp_path: Path) -> None:
    names = [one.name for one in read_submissions([AFTER, AFTER])]

    assert names == ["repository_after", "repository_after-2"]


@pytest.mark.parametrize(
    ("outcome", "listed"),
    [("resolved", "resolved_ids"), ("tampered", "unresolved_ids"), ("timeout", "error_ids")],
)
def test_a_run_summary_has_the_fields_of_swebench(tmp_path: Path, outcome: str, listed: str) -> None:
    tests = [{"nodeid": "a", "outcome": "passed"}, {"nodeid": "b", "outcome": "failed"}]
    report = {"outcome": outcome, "run_id": "0" * 8, "results": {"after": {"tests": tests}}}
    instance = {"FAIL_TO_PASS": ["a", "b"], "PASS_TO_PASS": ["c"]}

    summary = json.loads(predictions.write("some/model", report, instance, tmp_path).read_text())
    row = json.loads((tmp_path / "some__model/HOFAZ9/report.json").read_text())["HOFAZ9"]

    assert summary[listed] == summary["submitted_ids"] == ["HOFAZ9"]
    assert row["resolved"] == (outcome == "resolved")
    assert row["tests_status"]["FAIL_TO_PASS"] == {"success": ["a"], "failure": ["b"]}
    assert row["tests_status"]["PASS_TO_PASS"]["failure"] == ["c"]
