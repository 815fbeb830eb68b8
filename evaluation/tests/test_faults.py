"""The fault suite tells right answers from stale and wrong ones, and finds what a candidate does wrong."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from evaluation.faults import __main__ as faults
from evaluation.faults.__main__ import AFTER_S, BEFORE_S, NAMES, TERMINATED, WELL_S
from evaluation.faults.faults import CANCELLED, FAULTS, SLOW_READERS
from evaluation.faults.history import RIGHT, STALE, WRONG, History
from evaluation.faults.traffic import FAILED, REFUSED
from evaluation.tests.test_embedded import processes_naming, within

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "repository_after"
ROW: dict[str, Any] = {"id": 5, "name": "seeded", "price": "1.00"}
GRACE_S = 1.0


def shown(name: str) -> dict[str, Any]:
    return ROW | {"name": name}


@pytest.mark.parametrize(
    ("item", "process", "later_s", "verdict"),
    [
        (shown("new"), 0, 0.0, RIGHT),
        (shown("unanswered"), 1, 0.0, RIGHT),
        (shown("old"), 0, 0.1, STALE),
        (shown("old"), 1, 0.1, RIGHT),
        (shown("old"), 1, GRACE_S + 0.1, STALE),
        (shown("seeded"), 1, GRACE_S + 0.1, STALE),
        (shown("never written"), 0, 0.0, WRONG),
        (shown("new") | {"price": "2.00"}, 0, 0.0, WRONG),
        ([], 0, 0.0, WRONG),
    ],
)
def test_an_answer_shows_the_newest_answered_name_or_one_that_followed(
    item: object, process: int, later_s: float, verdict: str
) -> None:
    history = History({5: ROW})
    for name in ("old", "new"):
        history.end(history.begin(5, name, process=0))
    history.begin(5, "unanswered", process=0)

    assert history.judged(item, 5, process, time.monotonic() + later_s, GRACE_S) == verdict


def test_what_is_read_while_it_is_written_may_be_old() -> None:
    history = History({5: ROW})
    began_s = time.monotonic()
    history.end(history.begin(5, "new", process=0))

    assert history.judged(shown("seeded"), 5, 0, began_s, 0.0) == RIGHT


@pytest.mark.parametrize(
    "name",
    [
        *("redis stopped", "redis killed", "redis full", "redis read only", "redis with an old snapshot"),
        *("postgres restarted", "sessions ended", "connections used up", "rows locked"),
        *("requests cancelled", "slow readers", "process terminated"),
    ],
)
def test_whatever_fails_in_production_is_a_fault(name: str) -> None:
    assert name in NAMES


def test_a_thousand_clients_hang_up_and_two_hundred_are_slow() -> None:
    assert (CANCELLED, SLOW_READERS) == (1_000, 200)


def test_all_faults_together_take_less_than_five_minutes() -> None:
    longest_s = sum(BEFORE_S + fault.lasts_s + WELL_S + AFTER_S for fault in FAULTS)

    assert longest_s < 300


def test_the_reference_lives_through_a_full_redis_and_sessions_that_end() -> None:
    full, ended = faults.run(REFERENCE, ["redis full", "sessions ended"])

    assert full.is_good(refuses=False), full
    assert ended.is_good(refuses=True), ended
    assert min(full.answers[RIGHT], ended.answers[RIGHT]) > 20


def test_the_reference_answers_what_it_has_accepted_before_it_is_terminated() -> None:
    [found] = faults.run(REFERENCE, [TERMINATED])

    assert found.fault == TERMINATED
    assert found.is_good(refuses=True), found
    assert found.answers[RIGHT] > 0


def test_the_report_tells_how_long_it_took(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(faults, "REPORTS", tmp_path)
    monkeypatch.setattr("sys.argv", ["faults", "redis hangs up"])
    started = time.monotonic()

    assert faults.main() == 0, capsys.readouterr()

    took_s = time.monotonic() - started
    [path] = tmp_path.iterdir()
    report = json.loads(path.read_text())
    assert BEFORE_S + AFTER_S < report["duration_seconds"] <= took_s + 0.1
    assert [result["fault"] for result in report["results"]] == ["redis hangs up"]


@pytest.fixture
def place() -> Iterator[Path]:
    """A temporary folder that every account may enter."""
    with tempfile.TemporaryDirectory(prefix="hofaz9-test-", dir="/tmp") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.mark.parametrize("moment", ["the services start", "Postgres is stopped"])
def test_ctrl_c_ends_it_with_one_line_and_leaves_nothing_behind(moment: str, place: Path) -> None:
    command = [sys.executable, "-m", "evaluation.faults", "postgres restarted"]
    variables = {**os.environ, "TMPDIR": str(place)}

    def is_running() -> bool:
        return bool(list(place.glob("*/postgres.log")) and list(place.glob("*/pg/postmaster.pid")))

    with subprocess.Popen(
        command, cwd=ROOT, env=variables, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as verb:
        assert within(60, is_running)
        assert moment == "the services start" or within(60, lambda: not is_running())
        # As a terminal does.
        os.killpg(verb.pid, signal.SIGINT)
        _, told = verb.communicate(timeout=60)

    assert (verb.returncode, told.splitlines()) == (
        2,
        ["interrupted: no report was written, and everything was removed"],
    )
    assert processes_naming(str(place)) == []
    assert list(place.iterdir()) == []


@pytest.mark.parametrize(
    ("change", "outcome"),
    [
        (("main.py", "await listings.forget_pages()", "None"), STALE),
        (("main.py", "ready(await crud.get_product(db, product_id))", "product_id + None"), FAILED),
        (("models.py", "        Review.rating,\n", "        (6 - Review.rating).label('rating'),\n"), WRONG),
    ],
    ids=["stale", "failed", "wrong"],
)
def test_what_is_answered_otherwise_is_counted(
    variant: Callable[..., Path], change: tuple[str, str, str], outcome: str
) -> None:
    [found] = faults.run(variant(change), ["redis hangs up"])

    assert found.answers[outcome] > 0, found
    assert not found.is_good(refuses=False)


def test_what_may_not_be_refused_may_not_be_missing() -> None:
    refused = faults.Result("f", {RIGHT: 9, REFUSED: 1}, 0.5, 0)

    assert refused.is_good(refuses=True)
    assert not refused.is_good(refuses=False)
    assert not faults.Result("f", {RIGHT: 9}, None, 0).is_good(refuses=True)
    assert not faults.Result("f", {RIGHT: 9}, 0.5, 1).is_good(refuses=True)
