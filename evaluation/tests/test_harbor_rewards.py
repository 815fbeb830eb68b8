"""The rewards that Harbor gets for a report."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from evaluation.criteria import HARDENING, criteria
from evaluation.errors import InfrastructureError
from evaluation.harbor.rewards import rewards
from evaluation.harbor.tasks import ROOT
from evaluation.judge.cpu import CRITERION
from evaluation.measure.settings import Settings
from evaluation.pipeline import judged, unmeasured_candidate
from evaluation.records import REQUIREMENTS, Measured, Outcome, Signal
from evaluation.report.document import as_bytes, as_report
from evaluation.tests.test_judge import by_criterion

QUICK = Settings(with_load=False)
BASELINE = by_criterion({"R08.3": "failed", "R12.4": "failed"})
WHOLE_TASK: dict[str, Any] = {"requirement": None, "tests": []}
ENTRIES = ["reward", *REQUIREMENTS, "API", "hardening"]


def report(after: Measured, ending: Outcome | None = None) -> dict[str, Any]:
    """The report on a candidate, as it is read back from a file."""
    found = judged(BASELINE, after, QUICK, datetime.now(UTC), ending)
    read: dict[str, Any] = json.loads(as_bytes(as_report(found)))
    return read


def rewarded(report: dict[str, Any]) -> dict[str, float]:
    """The rewards of a report on the whole task."""
    return rewards(report, WHOLE_TASK)


def test_a_resolved_candidate_gets_everything() -> None:
    assert rewarded(report(by_criterion({}))) == dict.fromkeys(ENTRIES, 1.0)


def test_each_requirement_has_an_entry_of_its_own() -> None:
    found = rewarded(report(by_criterion({"R08.3": "failed", "R12.1": "error"})))

    assert list(found) == ENTRIES
    assert [name for name, value in found.items() if value == 0] == ["reward", "R08", "R12"]


def test_hardening_is_a_share_and_decides_nothing() -> None:
    found = rewarded(report(by_criterion({"R12.4": "failed"})))

    held, total = (report(by_criterion({"R12.4": "failed"}))["hardening"][name] for name in ("held", "total"))
    assert found.pop("hardening") == round(held / total, 4) == round((total - 1) / total, 4)
    assert set(found.values()) == {1.0}


def test_broken_behaviour_is_told_beside_the_requirements() -> None:
    found = rewarded(report(by_criterion({"API.3": "failed"})))

    assert [name for name, value in found.items() if value == 0] == ["reward", "API"]


def test_hardening_of_the_api_is_hardening() -> None:
    [name, *_] = [name for name, one in criteria().items() if not one.requirement and one.level == HARDENING]

    found = rewarded(report(by_criterion({name: "failed"})))

    assert [name for name, value in found.items() if value < 1] == ["hardening"]


def test_a_candidate_that_tampers_gets_nothing() -> None:
    cheat = replace(by_criterion({}), signals=(Signal("no_work", "GET /products"),))

    assert rewarded(report(cheat)) == dict.fromkeys(ENTRIES, 0.0)


def test_a_candidate_that_cannot_be_measured_gets_nothing() -> None:
    broken = unmeasured_candidate("broken", BASELINE, ValueError("it has no main.py"))

    assert rewarded(report(broken)) == dict.fromkeys(ENTRIES, 0.0)


def test_a_cost_that_fails_counts_too() -> None:
    costly = by_criterion({})
    costly = replace(costly, cpu=(replace(costly.cpu[0], candidate_us=5000.0),))

    found = rewarded(report(costly))

    assert CRITERION.startswith("R01.")
    assert [name for name, value in found.items() if value == 0] == ["reward", "R01"]


@pytest.fixture
def told(tmp_path: Path) -> Callable[[str], tuple[int, Path]]:
    """A function that runs the program behind test.sh on the text of a report; its status and its file."""

    def run(text: str) -> tuple[int, Path]:
        (tmp_path / "report.json").write_text(text)
        (tmp_path / "task.json").write_text(json.dumps(WHOLE_TASK))
        paths = [str(tmp_path / name) for name in ("task.json", "report.json", "reward.json")]
        command = [sys.executable, "-m", "evaluation.harbor.rewards", *paths]
        return subprocess.run(command, cwd=ROOT).returncode, tmp_path / "reward.json"

    return run


def test_rewards_are_written_as_flat_numbers(told: Callable[[str], tuple[int, Path]]) -> None:
    status, file = told(json.dumps(report(by_criterion({}))))

    assert status == 0
    assert json.loads(file.read_text()) == dict.fromkeys(ENTRIES, 1.0)


@pytest.mark.parametrize("text", ["", "no_verdict"])
def test_without_a_verdict_nothing_is_written(text: str, told: Callable[[str], tuple[int, Path]]) -> None:
    lost = report(by_criterion({}), Outcome("no_verdict", "Postgres is gone"))

    status, file = told(text and json.dumps(lost))

    assert status == 2
    assert not file.exists()
    with pytest.raises(InfrastructureError, match="Postgres is gone"):
        rewards(lost, WHOLE_TASK)
