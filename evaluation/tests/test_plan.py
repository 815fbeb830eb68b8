"""A plan for many gradings is arithmetic on what was measured."""

import sys
from pathlib import Path

import pytest

from evaluation.candidates import store
from evaluation.candidates.store import Graded
from evaluation.cluster import plan
from evaluation.cluster.ungraded import ungraded
from evaluation.measure.settings import Settings


@pytest.mark.parametrize(
    ("workers", "hours", "machine_hours"), [(1, 5.0, 5.0), (2, 3.0, 6.0), (4, 2.0, 8.0), (5, 2.0, 9.0)]
)
def test_each_grading_goes_to_the_worker_that_is_free_first(
    workers: int, hours: float, machine_hours: float
) -> None:
    found = plan.planned([3600.0] * 4, workers, first=3600.0)

    assert (found.hours, found.machine_hours) == (hours, machine_hours)


def test_a_plan_is_made_of_the_seconds_and_bytes_of_the_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(store, "FOLDER", tmp_path)
    monkeypatch.setattr(sys, "argv", ["plan", "--predictions", "100", "--workers", "10", "--price", "0.1"])
    report = ungraded("one", "for a test", Settings(size="small", with_load=False))
    store.keep_grading("one", Graded("tcp://10.0.0.3:1", 360.0, report))
    stored = (tmp_path / "gradings" / "one.json.gz").stat().st_size

    assert plan.main() == 0

    told = capsys.readouterr().out
    assert "measured: 1 gradings" in told
    assert f"{stored / 1000:5.0f} kB in the store" in told
    assert "10 workers:     1.0 h,     10 machine hours, 1 at 0.1 an hour" in told


def test_without_a_grading_there_is_no_plan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(store, "FOLDER", tmp_path)
    monkeypatch.setattr(sys, "argv", ["plan"])

    assert plan.main() == 64
    assert "run `grade --scheduler` first" in capsys.readouterr().out


def test_a_plan_draws_from_the_outcomes_that_are_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(store, "FOLDER", tmp_path)
    for name, seconds in (("no_verdict", 36.0), ("timeout", 3600.0)):
        report = ungraded(name, "for a test", Settings(size="small", with_load=False))
        store.keep_grading(name, Graded("tcp://10.0.0.3:1", seconds, report | {"outcome": name}))

    for outcome, hours in (("no_verdict", "0.1"), ("timeout", "10.0")):
        monkeypatch.setattr(sys, "argv", ["", "--predictions", "10", "--workers", "1", "--outcomes", outcome])
        assert plan.main() == 0
        assert f" {hours} h, " in capsys.readouterr().out
