"""Repeated gradings: which verdicts count as the same, and the process that keeps a core busy."""

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from evaluation.proof.determinism import STUDIES, Grading, Kind, burning_core, differences, kinds
from evaluation.services.cleaner import Cleaner, is_alive
from tests.observing import until

ROOT = Path(__file__).parents[2]
RED, GREEN = ("R01 passed", "R02 failed"), ("R01 passed", "R02 passed")
MUTANT = Kind("mutant", "unresolved")


def grading(outcome: str, rows: tuple[str, ...], *, busy: bool = False) -> Grading:
    return Grading(outcome, rows, "why", 1.0, busy)


def test_gradings_with_the_expected_verdict_do_not_differ() -> None:
    assert differences(MUTANT, [grading("unresolved", RED)] * 3) == []


def test_another_verdict_on_one_requirement_is_a_difference_even_if_the_outcome_is_the_same() -> None:
    different = grading("unresolved", ("R01 failed", "R02 failed"))

    [line] = differences(MUTANT, [grading("unresolved", RED), different, grading("unresolved", RED)])

    assert line == "mutant, 2: unresolved; R01 failed; why"


def test_gradings_that_agree_on_a_wrong_outcome_all_differ_from_the_expected_one() -> None:
    lines = differences(MUTANT, [grading("resolved", GREEN)] * 2)

    assert [line.partition(";")[0] for line in lines] == [
        "mutant, 1: resolved instead of unresolved",
        "mutant, 2: resolved instead of unresolved",
    ]


def test_no_verdict_on_timings_is_the_only_difference_that_a_busy_machine_may_make() -> None:
    unknown = ("R01 unknown", "R02 passed")
    late = Kind("late", "unresolved")
    gradings = [
        grading("unresolved", ("R01 failed", "R02 passed")),
        grading("no_verdict", unknown, busy=True),
    ]

    assert differences(late, gradings) == []
    assert differences(late, gradings[1:]) == []
    for wrong in (grading("resolved", GREEN, busy=True), grading("no_verdict", unknown)):
        assert len(differences(late, [gradings[0], wrong])) == 1
    assert len(differences(late, [gradings[0], grading("no_verdict", (), busy=True)])) == 1


@pytest.mark.parametrize(
    ("study", "wanted"),
    [
        ("determinism", ["resolved", *["unresolved"] * 2, *["resolved"] * 2]),
        ("timing", ["resolved", "unresolved"]),
    ],
)
def test_the_patches_of_a_study_exist(study: str, wanted: list[str]) -> None:
    assert [one.wanted for one in kinds(STUDIES[study].names)] == wanted


def test_the_busy_process_ends_with_its_block_even_after_an_interrupt() -> None:
    seen = []

    def interrupted(pid: int) -> None:
        seen.append((pid, is_alive(pid)))
        raise KeyboardInterrupt

    with Cleaner() as cleaner, contextlib.suppress(KeyboardInterrupt), burning_core(cleaner) as pid:
        interrupted(pid)

    assert seen == [(pid, True)]
    assert not is_alive(pid)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_the_busy_process_does_not_outlive_a_harness_that_is_killed(number: signal.Signals) -> None:
    harness = (
        "import signal, time\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from evaluation.proof.determinism import burning_core\n"
        "from evaluation.services.cleaner import Cleaner\n"
        "with Cleaner() as cleaner, burning_core(cleaner) as pid:\n"
        "    print(pid, flush=True)\n"
        "    time.sleep(600)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", harness],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        pid = int(process.stdout.readline())
        assert is_alive(pid)
        os.kill(process.pid, number)

        assert until(lambda: not is_alive(pid))
