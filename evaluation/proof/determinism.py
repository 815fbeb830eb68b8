"""Grades the same candidates many times, every other time on a busy machine, and compares the verdicts."""

import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from evaluation.measure.settings import Settings
from evaluation.pipeline import REFERENCE, prepared_workshop
from evaluation.proof.patched import PATCHES, graded, patched
from evaluation.services.cleaner import Cleaner
from evaluation.serving.workbench import Workshop

WANTED = {"mutants": "unresolved", "alternatives": "resolved", "slow": "unresolved"}


@dataclass(frozen=True, slots=True)
class Study:
    """Patches that are graded many times together with the reference, and the settings for that."""

    names: tuple[str, ...]
    settings: Settings
    times: int


STUDIES = {
    "determinism": Study(
        ("R02-reviews-one-by-one", "R09-blocking-driver", "opaque-cursor", "psycopg-async"),
        Settings(with_load=False),
        times=10,
    ),
    "timing": Study(("R01-every-answer-150-ms-late",), Settings(), times=2),
}


@dataclass(frozen=True, slots=True)
class Kind:
    """A candidate that is graded many times, and the outcome that is expected every time."""

    name: str
    wanted: str
    patch: Path | None = None

    def folder(self, shop: Workshop) -> Path:
        """The candidate's folder."""
        return patched(shop, self.patch) if self.patch else REFERENCE


@dataclass(frozen=True, slots=True)
class Grading:
    """One grading: the outcome, each requirement with `passed`, `failed` or `unknown`, and the duration."""

    outcome: str
    rows: tuple[str, ...]
    reason: str
    took_s: float
    busy: bool = False

    @property
    def is_undecided(self) -> bool:
        """Whether a busy machine was reported as too busy to judge timings: that is no difference."""
        return self.busy and self.outcome == "no_verdict" and "R01 unknown" in self.rows


def kinds(names: Iterable[str]) -> list[Kind]:
    """The reference and the named patches; names that do not exist are left out."""
    patches = {path.stem: path for folder in WANTED for path in (PATCHES / folder).glob("*.patch")}
    found = [patches[name] for name in names if name in patches]
    return [Kind("reference", "resolved"), *(Kind(one.stem, WANTED[one.parent.name], one) for one in found)]


def run_study(chosen: list[Kind], settings: Settings, times: int) -> int:
    """Grade each candidate `times` times and print the results; return 1 when a verdict differs."""
    gradings = grade_all(chosen, settings, times)
    lines = [line for kind in chosen for line in differences(kind, gradings[kind.name])]
    every = [grading for some in gradings.values() for grading in some]
    undecided = sum(grading.is_undecided for grading in every)
    took_s = [grading.took_s for grading in every]
    print(f"{sum(took_s) / len(took_s):.1f} s a grading, {max(took_s):.1f} s at most")
    print(f"{len(every) - len(lines) - undecided} of {len(every)} gradings gave the expected verdict")
    if undecided:
        print(f"{undecided} gave no verdict: a busy process ran beside them, and timings decide R01")
    for line in lines:
        print(line, file=sys.stderr)
    return 1 if lines else 0


def grade_all(chosen: list[Kind], settings: Settings, times: int) -> dict[str, list[Grading]]:
    """Grade all candidates in every round; in every other round a process keeps one core busy."""
    gradings: dict[str, list[Grading]] = {kind.name: [] for kind in chosen}
    with prepared_workshop(settings, lambda text: print(text, flush=True)) as shop:
        folders = {kind.name: kind.folder(shop) for kind in chosen}
        for number in range(times):
            busy = number % 2 == 1
            with burning_core(shop.cleaner) if busy else nullcontext():
                for kind in chosen:
                    one = grade_once(shop, folders[kind.name], settings, busy=busy)
                    gradings[kind.name].append(one)
                    machine = "beside a busy process" if busy else "alone"
                    text = f"{one.outcome}, {one.took_s:.1f} s {machine}"
                    print(f"{number + 1:3}/{times} {kind.name}: {text}", flush=True)
    return gradings


def grade_once(shop: Workshop, folder: Path, settings: Settings, *, busy: bool) -> Grading:
    """Grade one candidate once."""
    started = time.monotonic()
    grading = graded(shop, folder, settings)
    outcome, verdicts = grading.outcome, grading.verdicts
    words = {True: "passed", False: "failed", None: "unknown"}
    rows = tuple(f"{one.requirement} {words[one.passed]}" for one in verdicts)
    reason = " ".join(outcome.reason.split())
    return Grading(outcome.name, rows, reason, time.monotonic() - started, busy)


def differences(kind: Kind, gradings: list[Grading]) -> list[str]:
    """One line for each grading that differs from the most frequent one, or from the expected outcome."""
    decided = Counter((one.outcome, one.rows) for one in gradings if not one.is_undecided)
    lines = []
    for number, one in enumerate(gradings):
        if one.is_undecided:
            continue
        [((outcome, usual), _)] = decided.most_common(1)
        if (one.outcome, one.rows) != (outcome, usual) or one.outcome != kind.wanted:
            rows = ", ".join(sorted(set(one.rows) - set(usual))) or "requirements as usual"
            text = f"{one.outcome} instead of {kind.wanted}" if one.outcome != kind.wanted else one.outcome
            lines.append(f"{kind.name}, {number + 1}: {text}; {rows}; {one.reason[:300]}")
    return lines


@contextmanager
def burning_core(cleaner: Cleaner) -> Iterator[int]:
    """Keep one core busy until the block ends; yields the pid. The cleaner ends the process if we cannot."""
    burner = subprocess.Popen([sys.executable, "-c", "while True: pass"], start_new_session=True)
    entry = cleaner.process(burner.pid, signal.SIGKILL)
    try:
        yield burner.pid
    finally:
        burner.kill()
        burner.wait()
        cleaner.withdraw(entry)
