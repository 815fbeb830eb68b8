"""The commands `grade` and `regrade`: reused reports, repeated verdicts, exit statuses."""

import json
import os
import signal
import tomllib
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from evaluation import pipeline
from evaluation.candidates import store
from evaluation.errors import CandidateTimeoutError, InfrastructureError, ProbeSilencedError, UsageError
from evaluation.measure import behaviour
from evaluation.measure.settings import Settings
from evaluation.measure.tampering import Findings
from evaluation.pipeline import judged, unmeasured_candidate
from evaluation.records import REQUIREMENTS, CaseResult, LoadSample, Measured, Round, SuiteRun, WorkSample
from evaluation.report import committed, document
from evaluation.report.reuse import sides_of

WORK = tuple(WorkSample(name, 200, 3, 3, 1, 1, 1, 1, "") for name in ("first_page_cold", "first_page_warm"))
QUICK = Round(500, 9000.0, 10.0, 20.0, 30.0, 40.0, 0.2)
LOAD = (LoadSample("hot", 500, {"200": 500}, (QUICK,), (QUICK,), 0.0, 0.1, 100.0, 5, 0),)
CONDITIONS = {"harness": "h", "machine": "m", "services": "embedded", "size": "standard", "isolation": "uid"}
A_NEW_FILE = """diff --git a/new.py b/new.py
new file mode 100644
--- /dev/null
+++ b/new.py
@@ -0,0 +1 @@
+NEW = True
"""
CONTENTS = {"before": "old", "after": "new"}


def measured(name: str, outcome: str = "passed", content: str = "") -> Measured:
    """A candidate with one test for each requirement, all with the same outcome."""
    tests = tuple(CaseResult(one, outcome, one) for one in REQUIREMENTS)
    return Measured(name, SuiteRun(0, tests, 1.0), WORK, LOAD, content=content)


@pytest.fixture
def report() -> dict[str, Any]:
    """The report of an evaluation of the reference."""
    before = measured("repository_before", "failed", "old")
    found = judged(before, measured("repository_after", content="new"), Settings(), datetime.now(UTC))
    read: dict[str, Any] = json.loads(json.dumps(document.as_report(found)))
    return read | {"environment": read["environment"] | CONDITIONS}


@pytest.mark.parametrize("with_load", [True, False])
def test_a_full_report_can_be_reused_for_full_and_quick_gradings(
    report: dict[str, Any], with_load: bool
) -> None:
    before, after = sides_of(report, CONDITIONS, CONTENTS, with_load)

    assert before == replace(measured("repository_before", "failed", "old"), load=LOAD if with_load else ())
    assert after.suite == measured("repository_after").suite


@pytest.mark.parametrize("name", list(CONDITIONS))
def test_a_report_made_under_other_conditions_is_refused(report: dict[str, Any], name: str) -> None:
    with pytest.raises(UsageError, match=f"{name} was {CONDITIONS[name]}, is other"):
        sides_of(report, CONDITIONS | {name: "other"}, CONTENTS, True)


@pytest.mark.parametrize("side", ["before", "after"])
def test_a_report_on_other_files_is_refused(report: dict[str, Any], side: str) -> None:
    with pytest.raises(UsageError, match=rf"its {side} \(repository_{side}\) has other files"):
        sides_of(report, CONDITIONS, CONTENTS | {side: "changed since"}, True)


def test_an_older_report_without_conditions_is_refused(report: dict[str, Any]) -> None:
    del report["environment"]["harness"]

    with pytest.raises(UsageError, match="harness was not noted"):
        sides_of(report, CONDITIONS, CONTENTS, True)


def test_a_report_without_load_is_refused_for_a_full_grading(report: dict[str, Any]) -> None:
    report["load"] = {"before": {}, "after": {}}

    sides_of(report, CONDITIONS, CONTENTS, False)
    with pytest.raises(UsageError, match="no load"):
        sides_of(report, CONDITIONS, CONTENTS, True)


def test_a_report_whose_reference_is_not_resolved_is_refused(report: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="its outcome is no_verdict"):
        sides_of(report | {"outcome": "no_verdict"}, CONDITIONS, CONTENTS, True)


def test_a_grading_that_reuses_a_report_of_other_conditions_is_a_usage_error(
    report: dict[str, Any], tmp_path: Path, run: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    path = document.write(report, tmp_path)

    status = run("grade", pipeline.REFERENCE, "--reuse", path, "--out", tmp_path)

    assert status == 64
    assert "harness was h, is" in capsys.readouterr().err


@pytest.mark.usefixtures("unmeasured")
@pytest.mark.parametrize("text", ["Words.\n", (pipeline.ROOT / "README.md").read_text(encoding="utf-8")])
def test_prose_is_refused_before_anything_is_measured(
    text: str, tmp_path: Path, run: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "README.md").write_text(text)

    status = run("grade", tmp_path / "README.md", "--out", tmp_path)

    assert status == 64
    assert "README.md is no folder, no patch and no file of predictions" in capsys.readouterr().err


@pytest.mark.usefixtures("unmeasured")
@pytest.mark.parametrize("text", ["", A_NEW_FILE, "Words.\n\n--- a/crud.py\n+++ b/crud.py\n@@ -1 +1 @@\n"])
def test_a_patch_is_not_refused(text: str, tmp_path: Path, run: Callable[..., int]) -> None:
    (tmp_path / "attempt.patch").write_text(text)

    assert run("grade", tmp_path / "attempt.patch", "--out", tmp_path) == 2


def test_the_help_names_every_command_and_the_version_is_told(
    run: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="0"):
        run("--help")
    told = capsys.readouterr().out
    assert [name for name in ("grade", "regrade", "explain") if f"evaluation.py {name} " not in told] == []

    with pytest.raises(SystemExit, match="0"):
        run("--version")
    version = tomllib.loads((pipeline.ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert capsys.readouterr().out == f"hofaz9 {version}\n"


def test_a_silenced_probe_gets_the_same_outcome_from_its_report(
    tmp_path: Path, run: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    before = measured("repository_before", "failed")
    silent = unmeasured_candidate("cheat", before, ProbeSilencedError("the probe does not answer"))
    path = document.write(document.as_report(judged(before, silent, Settings(), datetime.now(UTC))), tmp_path)

    status = run("regrade", path)

    assert json.loads(path.read_text())["outcome"] == "tampered"
    assert "stored: tampered, judged again: tampered" in capsys.readouterr().out
    assert status == 1


def test_a_suite_that_lost_its_services_is_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> SuiteRun:
        os.kill(os.getpid(), signal.SIGINT)  # As `Watch` does.
        return measured("any", "error").suite

    monkeypatch.setattr(behaviour, "run_suite", interrupted)
    monkeypatch.setattr(behaviour, "look_for_tampering", lambda *_: Findings((), ()))
    monkeypatch.setattr(behaviour, "count_in_production", lambda *_: ())
    monkeypatch.setattr(behaviour, "wait_for_connections", lambda *_: ())
    monkeypatch.setattr(behaviour, "observe_real_minute", lambda *_: None)
    bench: Any = SimpleNamespace(
        services=SimpleNamespace(postgres_url="", redis_url=""),
        folder=None,
        forkservers=SimpleNamespace(kill_servers=lambda: None),
    )
    lines: list[str] = []

    with pytest.raises(KeyboardInterrupt):
        behaviour.measure_behaviour([(bench, pipeline.REFERENCE)], 1, lines.append)

    assert lines == ["repository_after: running the suite"]


def fake_measurements(
    monkeypatch: pytest.MonkeyPatch, folder: Path, failures: dict[str, BaseException]
) -> None:
    """Measure nothing: whatever is called like a key of `failures` fails so, all other candidates pass."""

    def measure(bench: object, candidates: list[Path], settings: object, progress: object) -> list[Measured]:
        for path in candidates:
            if path.name in failures:
                raise failures[path.name]
        return [measured(path.name, "failed" if "before" in path.name else "passed") for path in candidates]

    (folder / "instance.json").write_text(
        json.dumps({"FAIL_TO_PASS": REQUIREMENTS, "PASS_TO_PASS": [], "HARDENING": []})
    )
    monkeypatch.setattr(pipeline, "measure", measure)
    monkeypatch.setattr(store, "FOLDER", folder / "store")
    monkeypatch.setattr(committed, "INSTANCE", folder / "instance.json")


def graded_by_name(folder: Path) -> dict[str, dict[str, Any]]:
    """The reports in a folder, by the name of their submission."""
    return {path.parent.name: json.loads(path.read_text()) for path in folder.glob("*/report.json")}


def test_every_prediction_gets_a_report_whatever_is_wrong_with_the_others(
    tmp_path: Path, run: Callable[..., int], monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_measurements(
        monkeypatch,
        tmp_path,
        {"breaks-us": RecursionError("too deep"), "breaks-services": InfrastructureError("Postgres is gone")},
    )
    good = [(f"good-{number}", A_NEW_FILE) for number in range(12)]
    bad = [
        ("list", ["x"]),
        ("null", None),
        ("half", "\ud800"),
        ("cut", A_NEW_FILE.partition("+NEW")[0]),
        ("words", "Sorry."),
    ]
    bad += [(name, A_NEW_FILE.replace("NEW", name)) for name in ("breaks-us", "breaks-services")]
    rows = [
        json.dumps({"instance_id": "HOFAZ9", "model_name_or_path": model, "model_patch": patch})
        for model, patch in [*good[:6], *bad, *good[6:]]
    ]
    (tmp_path / "p.jsonl").write_text("\n".join([*rows[:3], "{", *rows[3:]]))

    status = run("grade", tmp_path / "p.jsonl", "--size", "small", "--out", tmp_path / "out")

    found = graded_by_name(tmp_path / "out")
    assert {name: one["outcome"] for name, one in found.items()} == {
        **{name: "resolved" for name, _ in good},
        **dict.fromkeys(("list", "half", "cut", "p-line 4"), "patch_failed"),
        **dict.fromkeys(("null", "words"), "empty_patch"),
        **dict.fromkeys(("breaks-us", "breaks-services"), "no_verdict"),
    }
    assert "Traceback" in found["breaks-us"]["error"]
    assert "RecursionError: too deep" in found["breaks-us"]["error"]
    assert found["breaks-services"]["error"] == "Postgres is gone"
    assert status == 2


@pytest.mark.parametrize("reused", [False, True])
def test_a_reference_without_the_committed_lists_gives_no_verdict(
    reused: bool,
    report: dict[str, Any],
    tmp_path: Path,
    run: Callable[..., int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fake_measurements(monkeypatch, tmp_path, {})
    committed.INSTANCE.write_text('{"FAIL_TO_PASS": ["R99"], "PASS_TO_PASS": [], "HARDENING": []}')
    monkeypatch.setattr(pipeline, "sides_of", lambda *_: (measured("before", "failed"), measured("after")))
    reuse = ("--reuse", document.write(report, tmp_path / "reused")) if reused else ()

    status = run("grade", pipeline.REFERENCE, *reuse, "--size", "small", "--out", tmp_path / "out")

    [found] = graded_by_name(tmp_path / "out").values()
    assert found["outcome"] == "no_verdict"
    assert "FAIL_TO_PASS of instance.json differs from this run: R01" in found["error"]
    assert status == 2


def test_a_reference_that_cannot_be_measured_is_a_failure_on_our_side(
    tmp_path: Path,
    run: Callable[..., int],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    late = CandidateTimeoutError("the suite did not finish within 600 s")
    fake_measurements(monkeypatch, tmp_path, {"repository_after": late})

    status = run("grade", pipeline.REFERENCE, "--size", "small", "--out", tmp_path / "out")

    assert status == 2
    assert "baseline and reference cannot be measured: the suite did not finish" in capsys.readouterr().err


def test_a_report_is_written_as_soon_as_it_is_known(
    tmp_path: Path,
    run: Callable[..., int],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    fake_measurements(monkeypatch, tmp_path, {"second": KeyboardInterrupt()})
    for name in ("first", "second", "third"):
        (tmp_path / f"{name}.patch").write_text(A_NEW_FILE.replace("NEW", name))
    paths = [tmp_path / f"{name}.patch" for name in ("first", "second", "third")]

    status = run("grade", *paths, "--size", "small", "--out", tmp_path / "out", "--junit", tmp_path / "j.xml")

    assert list(graded_by_name(tmp_path / "out")) == ["first"]
    assert 'name="first"' in (tmp_path / "j.xml").read_text()
    assert "finished reports" in capsys.readouterr().err
    assert status == 2


def test_what_of_a_patch_was_ignored_is_named_in_report_and_summaries(
    tmp_path: Path,
    run: Callable[..., int],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    fake_measurements(monkeypatch, tmp_path, {})
    inside, outside = A_NEW_FILE.replace("/new.py", "/repository_before/new.py"), A_NEW_FILE
    (tmp_path / "mixed.patch").write_text(inside + outside)
    out, summary = tmp_path / "out", tmp_path / "summary.md"

    run("grade", tmp_path / "mixed.patch", "--size", "small", "--out", out, "--markdown", summary)

    note = "ignored, because it is not served: new.py"
    assert graded_by_name(out)["mixed"]["notes"] == [note]
    assert note in capsys.readouterr().out
    assert "new.py" in summary.read_text()


def test_a_grading_without_a_verdict_outweighs_the_others(
    tmp_path: Path, run: Callable[..., int], monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_measurements(monkeypatch, tmp_path, {"unlucky": InfrastructureError("Postgres is gone")})
    (tmp_path / "unlucky.patch").write_text(A_NEW_FILE)
    (tmp_path / "empty.patch").write_text("")
    paths = [pipeline.REFERENCE, tmp_path / "unlucky.patch", tmp_path / "empty.patch"]

    status = run("grade", *paths, "--size", "small", "--out", tmp_path / "out")

    reports = sorted((tmp_path / "out").glob("*/report.json"))
    outcomes = {path.parent.name: json.loads(path.read_text())["outcome"] for path in reports}
    assert outcomes == {"repository_after": "resolved", "unlucky": "no_verdict", "empty": "empty_patch"}
    assert status == 2
