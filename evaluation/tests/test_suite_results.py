"""The results of the suite's processes become one result for each test, and a seed repeats a run."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from evaluation.candidates import store
from evaluation.measure import suite
from evaluation.measure.settings import Settings
from evaluation.options import settings_of
from evaluation.records import CaseResult, Measured, SuiteRun
from evaluation.report.destination import REPORTS
from evaluation.restored import measured_from
from evaluation.services import tied

FAILED = CaseResult("audit[R08.3]", "failed", "R08", "R08.3", "specified", "one page is old")
PASSED = CaseResult("audit[R08.3]", "passed", "R08", "R08.3")


def outcomes(*names: str) -> tuple[CaseResult, ...]:
    """Results of one test in several processes."""
    return tuple(
        CaseResult("audit", name, None, message=name if name != "passed" else "", duration_seconds=len(name))
        for name in names
    )


@pytest.mark.parametrize(
    ("names", "worst", "message"),
    [
        (("passed", "passed"), "passed", ""),
        (("passed", "failed"), "failed", "failed"),
        (("failed", "passed"), "failed", "failed"),
        (("skipped", "passed"), "skipped", "skipped"),
        (("failed", "error"), "error", "failed\n\nerror"),
        (("failed", "failed"), "failed", "failed"),
    ],
)
def test_a_test_that_ran_twice_has_its_worst_outcome(
    names: tuple[str, ...], worst: str, message: str
) -> None:
    [found] = suite.merged(outcomes(*names))

    assert (found.outcome, found.message) == (worst, message)
    assert found.duration_seconds == max(map(len, names))


def test_other_tests_stay_as_they_are() -> None:
    other = CaseResult("b", "passed", "R01", "R01.2")

    assert suite.merged([PASSED, other, FAILED]) == (FAILED, other)


def test_the_audit_runs_in_every_process_and_every_other_file_in_one() -> None:
    files = ["tests/test_a.py", suite.IN_EVERY_SHARE, "tests/test_b.py", "tests/test_c.py"]

    shares = suite.shares(files)

    assert len(shares) == suite.SHARES
    assert {share[-1] for share in shares} == {suite.IN_EVERY_SHARE}
    others = sorted(file for share in shares for file in share[:-1])
    assert others == ["tests/test_a.py", "tests/test_b.py", "tests/test_c.py"]
    assert suite.shares(files[:1]) == [["tests/test_a.py"], *[[]] * (suite.SHARES - 1)]


def test_the_longest_file_runs_beside_all_others() -> None:
    names = ("behaviour", "connections", "indexes", "large", "pagination", "timing", "walk")

    assert ["tests/test_timing.py"] in suite.shares([f"tests/test_{name}.py" for name in names])
    assert all(Path("tests", f"test_{name}.py").exists() for name in suite.SECONDS)


def test_the_suite_gets_the_seed_and_its_results_are_read(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    commands: list[list[str]] = []

    def run(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        commands.append(command)
        [results] = [Path(one.partition("=")[2]) for one in command if one.startswith("--results=")]
        line: dict[str, Any] = {"nodeid": "t", "outcome": "failed", "requirement": "R08"}
        line |= {"criterion": "R08.6", "duration_seconds": 1.5}
        results.write_text(json.dumps(line | {"level": "hardening", "message": "\ud800"}) + "\n")
        return subprocess.CompletedProcess(command, 1, f"{'.' * suite.PRINTED_CHARACTERS}end\n", "warned\n")

    monkeypatch.setattr(tied, "run", run)
    found = suite.run_suite(tmp_path, "", "", tmp_path, seed=7)

    assert found.tests == (CaseResult("t", "failed", "R08", "R08.6", "hardening", "\ud800", 1.5),)
    assert found.seed == 7
    assert len(found.stdout) == suite.SHARES * suite.PRINTED_CHARACTERS
    assert found.stdout.endswith(".end\n")
    assert found.stderr == "warned\n" * suite.SHARES
    assert all({"--hypothesis-seed=7", "--randomly-seed=7"} <= set(command) for command in commands)
    assert len(commands) == suite.SHARES


def test_results_of_an_older_suite_can_be_read() -> None:
    saved = {"nodeid": "t", "outcome": "passed", "requirement": "R08"}
    suite_run = {"exit_code": 0, "tests": [saved], "duration_s": 1.0}
    old: dict[str, Any] = {
        "candidate": "c",
        "suite": suite_run,
        "work": [],
        "load": [],
        "signals": [],
        "error": None,
    }

    read = measured_from(old)

    assert read == Measured("c", SuiteRun(0, (CaseResult("t", "passed", "R08"),), 1.0), (), ())
    assert read.suite.tests[0].level == "specified"


def test_every_run_draws_a_seed_that_is_no_condition_of_a_measurement() -> None:
    first, second = Settings(), Settings()

    assert first.seed != second.seed
    assert first.conditions() == second.conditions()


@pytest.mark.parametrize("name", ["instances/criteria.toml", "requirements.txt"])
def test_measurements_under_other_criteria_are_not_recalled(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "instances").mkdir()
    for file in ("requirements.txt", "pyproject.toml", "instances/criteria.toml"):
        (tmp_path / file).write_text("as it was")
    monkeypatch.setattr(store, "ROOT", tmp_path)
    before = store.harness_digest()

    (tmp_path / name).write_text("changed")

    assert store.harness_digest() != before


@pytest.mark.parametrize("is_writable", [True, False])
def test_a_checkout_that_cannot_be_written_remembers_nothing(
    is_writable: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(store, "FOLDER", tmp_path / "new" if is_writable else Path("/proc/nowhere"))
    measured = Measured("c", SuiteRun(0, (PASSED,), 1.0, 3, "out", "err"), (), ())

    store.keep("key", measured)

    assert store.recall("key") == (measured if is_writable else None)


def test_the_store_is_not_among_the_reports() -> None:
    assert REPORTS not in store.FOLDER.parents


def test_a_chosen_seed_measures_everything_anew() -> None:
    options: Any = type("Options", (), {"services": "embedded", "size": "small", "profile": "scale"})()
    options.seed, options.fresh = 7, False

    settings = settings_of(options)

    assert (settings.seed, settings.fresh, settings.profile) == (7, True, "scale")
    options.seed = None
    assert not settings_of(options).fresh
