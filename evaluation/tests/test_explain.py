"""The command `explain` tells what failed, and one test or criterion whole."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from evaluation import cli
from evaluation.criteria import criteria
from evaluation.records import CaseResult
from evaluation.report import document
from evaluation.tests.test_judge import by_criterion, load, loaded
from evaluation.tests.test_reporting import FULL, report, saying

ROOT = Path(__file__).parents[2]
MESSAGE = "\n".join(["curl -i http://HOST/products", "\x1b[31mSELECT 1", *(f"line {n}" for n in range(60))])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A report with failed specified and hardening tests on both sides."""
    after = by_criterion({"R08.3": "failed", "R12.4": "failed"})
    second = CaseResult("tests/test_cache.py::test_second", "failed", "R08", "R08.3")
    after = replace(after, suite=replace(after.suite, tests=(*after.suite.tests, second)))
    before = saying(by_criterion({"R08.3": "error", "R07.1": "failed"}), "said by the baseline")
    return document.write(report(saying(after, MESSAGE), before=before), tmp_path)


@pytest.fixture
def explain(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """A function that runs `explain` and returns its exit status and what it printed."""

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["evaluation.py", "explain", *map(str, arguments)])
        status = cli.main()
        printed = capsys.readouterr()
        return status, printed.out, printed.err

    return run


Explain = Callable[..., tuple[int, str, str]]


def test_without_a_test_it_lists_what_failed(path: Path, explain: Explain) -> None:
    status, out, _ = explain(path)

    assert status == 0
    assert out.splitlines() == [
        "R08.3  test of R08.3",
        "R08.3  tests/test_cache.py::test_second",
        "R12.4 (hardening)  test of R12.4",
    ]


@pytest.mark.parametrize("wanted", ["test of R08.3", "of R08.3"])
def test_one_test_is_told_whole(path: Path, explain: Explain, wanted: str) -> None:
    status, out, _ = explain(path, wanted)

    assert status == 0
    assert f"R08.3 (specified): {criteria()['R08.3'].sentence}" in out
    assert "test: test of R08.3\ncandidate: failed\nbaseline: error\n" in out
    assert MESSAGE.replace("\x1b", "\\x1b") in out
    assert "said by the baseline" in out
    assert "test_second" not in out


def test_a_whole_id_names_its_test_though_it_is_a_part_of_another(path: Path, explain: Explain) -> None:
    status, out, _ = explain(path, "test of R08.1")

    assert status == 0
    assert "test: test of R08.1\n" in out
    assert "R08.10" not in out


def test_a_criterion_is_told_with_all_its_tests(path: Path, explain: Explain) -> None:
    status, out, _ = explain(path, "R08.3")

    assert status == 0
    assert "candidate: not met\nbaseline: not met" in out
    assert "test: test of R08.3\n" in out
    assert "test: tests/test_cache.py::test_second\n" in out
    assert "R08.4" not in out


def test_a_test_that_passed_is_told_as_well(path: Path, explain: Explain) -> None:
    _, out, _ = explain(path, "test of R07.1")

    assert "candidate: passed\nbaseline: failed" in out
    assert "said by the baseline" in out


def test_a_timed_criterion_is_told_with_its_figures(tmp_path: Path, explain: Explain) -> None:
    path = document.write(report(loaded(load("stampede", 100), load("hot", 270)), FULL), tmp_path)

    status, out, _ = explain(path, "R01.1")

    assert status == 0
    assert "candidate: not met\n    hot, 500 clients: P95 270 ms (5 of 5 rounds over 200 ms)" in out
    assert "R01.1  hot, 500 clients: P95 270 ms" in explain(path)[1]


@pytest.mark.parametrize(
    ("wanted", "message"), [("nowhere", "no test and no criterion"), ("test of R0", "names")]
)
def test_what_names_no_single_test_is_a_usage_error(
    path: Path, explain: Explain, wanted: str, message: str
) -> None:
    status, out, err = explain(path, wanted)

    assert (status, out) == (64, "")
    assert message in err


def test_a_file_that_is_no_report_is_a_usage_error(tmp_path: Path, explain: Explain) -> None:
    assert explain(tmp_path / "nowhere.json")[0] == 64


def test_an_older_report_is_told_by_requirement(path: Path, explain: Explain) -> None:
    old = json.loads(path.read_text())
    for name in ("profile", "criteria", "hardening", "hardened"):
        del old[name]
    for side in ("before", "after"):
        for test in old["results"][side]["tests"]:
            for name in ("criterion", "level", "message"):
                del test[name]
    path.write_text(json.dumps(old))

    assert "R08  test of R08.3" in explain(path)[1]
    assert "candidate: failed" in explain(path, "test of R08.3")[1]
    assert "test: tests/test_cache.py::test_second" in explain(path, "R08")[1]


def test_a_reader_that_has_seen_enough_is_no_failure(path: Path) -> None:
    command = f"{sys.executable} -m evaluation explain {path} R08.3 | true; exit ${{PIPESTATUS[0]}}"

    done = subprocess.run(["bash", "-c", command], cwd=ROOT, capture_output=True, text=True)

    assert (done.returncode, done.stderr) == (0, "")


def test_nothing_failed(tmp_path: Path, explain: Explain) -> None:
    path = document.write(report(by_criterion({})), tmp_path)

    assert explain(path)[:2] == (0, "nothing failed\n")


@pytest.mark.parametrize("command", ["grade PATH", "regrade REPORT", "explain REPORT"])
def test_the_help_mentions_every_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    monkeypatch.setattr(sys, "argv", ["evaluation.py", "--help"])

    with pytest.raises(SystemExit):
        cli.main()

    assert f"evaluation.py {command}" in capsys.readouterr().out
