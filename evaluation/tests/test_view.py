"""What a run shows: lines, a bar in a terminal, JSON events, or the summary alone."""

import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from evaluation.errors import CandidateError
from evaluation.report.whole import written_whole
from evaluation.view import timeline
from evaluation.view.timeline import END, Timeline
from evaluation.view.view import Events, Quiet, View, view_for

ROOT = Path(__file__).parents[2]
PAST = [(0.0, "services"), (10.0, "counting"), (30.0, "running the suite"), (130.0, END)]
REPORT = {"results": {"after": {"candidate": "mine"}}, "outcome": "unresolved", "error": "R02 failed"}
A_RUN = """
import sys, time
from pathlib import Path
from evaluation.view import timeline
timeline.FOLDER = Path(sys.argv[1])
from evaluation.view.view import view_for
with view_for("evaluate-quick", quiet=False, as_json=False) as view:
    view.progress("services: embedded")
    time.sleep(1.2)
    view.progress("mine: running the suite")
    if "fail" in sys.argv:
        raise KeyboardInterrupt
    view.summary("R01   pass   fail\\noutcome: resolved [bold]")
    view.wrote("report", Path("report.json"), {})
"""


@pytest.fixture(autouse=True)
def own_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Timelines of these tests are no run's."""
    monkeypatch.setattr(timeline, "FOLDER", tmp_path)


def events(printed: str) -> list[dict[str, Any]]:
    """The events that were printed, without their times."""
    return [
        {key: value for key, value in json.loads(line).items() if key != "seconds"}
        for line in printed.splitlines()
    ]


def test_without_a_last_run_nothing_is_known_of_the_time_left() -> None:
    assert Timeline([]).left_s(5.0) is None


def test_before_the_first_step_a_run_takes_what_the_last_one_took() -> None:
    assert Timeline(PAST).left_s(0.0) == 130.0


@pytest.mark.parametrize(
    ("counting_at", "now", "left"),
    [
        (10.0, 10.0, 120.0),
        (10.0, 20.0, 110.0),
        # The step takes longer than then: the steps after it are still to come.
        (10.0, 60.0, 100.0),
        # Half as fast until here: all that is left takes twice as long.
        (20.0, 20.0, 240.0),
        (5.0, 5.0, 60.0),
    ],
)
def test_what_is_left_follows_the_last_run_at_the_pace_of_this_one(
    counting_at: float, now: float, left: float
) -> None:
    this = Timeline(PAST)
    this.note(0.0, "services")
    this.note(counting_at, "another name: counting")

    assert this.left_s(now) == pytest.approx(left)


def test_a_step_that_the_last_run_did_not_have_leaves_the_estimate_to_the_one_before_it() -> None:
    this = Timeline(PAST)
    this.note(10.0, "counting")
    this.note(15.0, "something new")

    assert this.left_s(20.0) == pytest.approx(110.0)


def test_the_second_step_of_a_name_is_the_second_one_of_the_last_run() -> None:
    this = Timeline([(0.0, "suite"), (100.0, "suite"), (150.0, END)])
    this.note(0.0, "one: suite")
    this.note(100.0, "two: suite")

    assert this.left_s(110.0) == pytest.approx(40.0)


@pytest.mark.parametrize("content", ["", "{}", "[1]", '[["a", "b"]]', "[[5, 1], 2]", '[[5,"x"],[1,"y"]]'])
def test_a_damaged_timeline_is_none(content: str) -> None:
    written_whole(timeline.file_of("k"), content.encode())

    assert timeline.recalled("k").left_s(1.0) is None


def test_a_run_that_has_ended_is_known_to_the_next_one_and_one_that_failed_is_not(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with View("k") as view:
        view.progress("mine: counting")
    kept = timeline.recalled("k").past
    with pytest.raises(CandidateError), View("k") as view:
        raise CandidateError("no such table")

    assert [text for _, text in kept] == ["counting", END]
    assert timeline.recalled("k").past == kept
    assert capsys.readouterr().out.endswith("s] mine: counting\n")


def test_where_nothing_can_be_stored_a_run_ends_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timeline, "FOLDER", Path("/dev/null"))

    with Quiet("k") as view:
        view.progress("counting")


def test_quiet_shows_the_summary_and_the_paths_alone(capsys: pytest.CaptureFixture[str]) -> None:
    with Quiet("k") as view:
        view.progress("counting")
        view.wrote("report", Path("report.json"), REPORT)
        view.summary("outcome: unresolved")

    assert capsys.readouterr().out == "report: report.json\noutcome: unresolved\n"


def test_events_are_one_json_object_a_line_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    with Events("k") as view:
        view.progress("mine: \x1b[31mcounting\u2028")
        view.wrote("report", Path("report.json"), REPORT)
        view.summary("outcome: unresolved")
    assert view.end(1) == 1

    of_report = {"path": "report.json", "candidate": "mine", "outcome": "unresolved", "reason": "R02 failed"}
    assert events(capsys.readouterr().out) == [
        {"event": "progress", "text": "mine: \x1b[31mcounting\u2028", "left_s": None},
        {"event": "report", **of_report},
        {"event": "end", "exit_status": 1},
    ]


@pytest.mark.parametrize(
    ("error", "told"),
    [(CandidateError("it has no main.py"), "it has no main.py"), (KeyboardInterrupt(), "KeyboardInterrupt")],
)
def test_a_run_that_fails_says_so_in_an_event(
    error: BaseException, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(type(error)), Events("k"):
        raise error

    assert events(capsys.readouterr().out) == [{"event": "error", "text": told}]


def test_control_characters_reach_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with View("k") as view:
        view.progress("mine: \x1b]0;owned\x07")

    assert "\x1b" not in capsys.readouterr().out


def test_lines_where_there_is_no_terminal() -> None:
    assert type(view_for("k", quiet=False, as_json=False)) is View


def test_quiet_and_json_exclude_each_other(
    run: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="64"):
        run("--quiet", "--json")
    assert "not allowed with" in capsys.readouterr().err


def in_a_terminal(store: Path, *arguments: str, **variables: str) -> str:
    """What a run shows in a terminal."""
    ours, its = pty.openpty()
    environment = {"PATH": os.environ["PATH"], "TERM": "xterm-256color", "COLUMNS": "100", **variables}
    process = subprocess.Popen(
        [sys.executable, "-c", A_RUN, str(store), *arguments],
        stdin=its,
        stdout=its,
        stderr=subprocess.DEVNULL,
        cwd=ROOT,
        env=environment,
    )
    os.close(its)
    shown = b""
    try:
        while chunk := os.read(ours, 10_000):
            shown += chunk
    except OSError:  # Linux says so when the other end is closed.
        pass
    os.close(ours)
    process.wait(timeout=20)
    return shown.decode()


def test_in_a_terminal_a_bar_tells_the_time_and_the_second_run_how_much_is_left(tmp_path: Path) -> None:
    first, second = in_a_terminal(tmp_path), in_a_terminal(tmp_path)

    assert "the first run of its kind here: no estimate yet" in first
    assert "no estimate" not in second
    assert re.search(r"0:00, about 0:0\d left|nearly done", second)
    for shown in (first, second):
        assert "mine: running the suite" in shown
        assert "[bold]" in shown  # Text of ours is no markup.
        assert "\x1b[32mpass" in shown
        assert "\x1b[1;31mfail" in shown
        assert shown.rstrip().endswith("report: report.json")


def test_no_color_takes_the_colours_away_and_keeps_the_words(tmp_path: Path) -> None:
    shown = in_a_terminal(tmp_path, NO_COLOR="1")

    assert "outcome: resolved" in shown
    assert not re.search(r"\x1b\[[\d;]*3\dm", shown)


def test_an_interrupted_run_takes_its_bar_away_and_shows_the_cursor_again(tmp_path: Path) -> None:
    shown = in_a_terminal(tmp_path, "fail")

    assert shown.rfind("\x1b[?25h") > shown.rfind("\x1b[?25l") >= 0
    assert not (tmp_path / "timelines").exists()
