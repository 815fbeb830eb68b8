"""Where reports go, and that nothing is measured when they cannot be written."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from evaluation import pipeline
from evaluation.report import destination
from evaluation.report.destination import Destination
from evaluation.tests.test_judge import by_criterion
from evaluation.tests.test_reporting import report


@pytest.fixture
def reports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder in the place of `evaluation/reports`."""
    folder = tmp_path / "reports"
    folder.mkdir()
    monkeypatch.setattr(destination, "REPORTS", folder)
    return folder


@pytest.fixture
def found() -> dict[str, Any]:
    """Any report."""
    return report(by_criterion({}))


def read(path: Path) -> Any:
    """The JSON in a file."""
    return json.loads(path.read_text(encoding="utf-8"))


def test_a_report_without_a_destination_gets_a_folder_and_is_the_newest(
    reports: Path, found: dict[str, Any]
) -> None:
    Destination().write(found, "first")
    path = Destination().write(found | {"run_id": "0" * 8}, "second")

    assert path == reports / "second" / "report.json"
    assert read(reports / "latest.json") == read(path) == found | {"run_id": "0" * 8}
    assert read(reports / "first" / "report.json") == found
    assert [one.name for one in reports.glob("*.json*")] == ["latest.json"]


def test_a_report_with_a_destination_is_not_the_newest_of_this_folder(
    reports: Path, found: dict[str, Any], tmp_path: Path
) -> None:
    in_folder = Destination(tmp_path / "out").write(found, "stamp", "name")
    in_file = Destination(file=tmp_path / "deep" / "r.json").write(found, "stamp")
    Destination(tmp_path / "both", tmp_path / "both.json").write(found, "stamp")

    assert in_folder == tmp_path / "out" / "name" / "report.json"
    assert in_file == tmp_path / "deep" / "r.json"
    written = (in_folder, in_file, tmp_path / "both" / "report.json", tmp_path / "both.json")
    assert [read(path) for path in written] == [found] * 4
    assert list(reports.iterdir()) == []


def test_what_is_no_plain_file_is_written_and_not_replaced(tmp_path: Path, found: dict[str, Any]) -> None:
    (tmp_path / "target").write_text("old")
    (tmp_path / "link").symlink_to(tmp_path / "target")

    Destination(file=tmp_path / "link").write(found, "stamp")
    Destination(file=Path("/dev/null")).write(found, "stamp")

    assert (tmp_path / "link").is_symlink()
    assert read(tmp_path / "target") == found
    assert Path("/dev/null").is_char_device()


@pytest.mark.usefixtures("unmeasured")
@pytest.mark.parametrize("command", [[], ["grade", pipeline.REFERENCE]], ids=["evaluate", "grade"])
def test_nothing_is_measured_when_the_report_cannot_be_written(
    command: list[str], run: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    for place in (("--out", "/proc/nowhere"), ("--output", "/proc/nowhere/report.json")):
        assert run(*command, *place) == 2
        assert "no verdict: /proc/nowhere cannot be written" in capsys.readouterr().err


@pytest.mark.usefixtures("unmeasured")
def test_a_folder_is_no_file_for_a_report(run: Callable[..., int], tmp_path: Path) -> None:
    assert run("--output", tmp_path) == 64


@pytest.mark.usefixtures("unmeasured")
def test_one_file_cannot_hold_two_reports(run: Callable[..., int], tmp_path: Path) -> None:
    status = run("grade", pipeline.REFERENCE, pipeline.BASELINE, "--output", tmp_path / "report.json")

    assert status == 64
    assert not (tmp_path / "report.json").exists()
