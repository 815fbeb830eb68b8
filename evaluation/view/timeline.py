"""When the steps of the last run of a kind came, and from that, how much is left of this one."""

import json
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from evaluation.candidates.store import FOLDER
from evaluation.report.whole import written_whole

Steps = list[tuple[float, str]]
"""Seconds since the start, and what began then; the last one is the end."""
END = "end"


@dataclass
class Timeline:
    """The steps of this run beside those of the last one of its kind (`past`, empty when there is none)."""

    past: Steps
    steps: Steps = field(default_factory=list)

    def note(self, seconds: float, text: str) -> None:
        """A step begins now."""
        self.steps.append((seconds, kind_of(text)))

    def left_s(self, seconds: float) -> float | None:
        """How many seconds are left if this run goes on as the last one did, at its own pace.

        None without a last run. Time is counted from the newest step that both have; what takes longer than
        it did then leaves the rest as it is.
        """
        if not self.past:
            return None
        reached = self.reached()
        if reached is None:
            return self.past[-1][0]
        now, then = self.steps[reached[0]][0], self.past[reached[1]][0]
        after = self.past[reached[1] + 1][0] if reached[1] + 1 < len(self.past) else then
        pace = now / then if then else 1.0
        this_step = max(0.0, (after - then) * pace - (seconds - now))
        return this_step + (self.past[-1][0] - after) * pace

    def reached(self) -> tuple[int, int] | None:
        """Where the newest step that both runs have stands: its number in this run, and in the last one."""
        numbers = numbered(self.past)
        for number, step in reversed(list(enumerate(named(self.steps)))):
            if step in numbers:
                return number, numbers[step]
        return None


def kind_of(text: str) -> str:
    """A line of progress without the candidate's name in front, which is another one in the next run."""
    return text.partition(": ")[2] or text


def named(steps: Steps) -> list[tuple[str, int]]:
    """Each step's text, and how many of the same text came before it."""
    seen: dict[str, int] = {}
    found = []
    for _, text in steps:
        found.append((text, seen.get(text, 0)))
        seen[text] = seen.get(text, 0) + 1
    return found


def numbered(steps: Steps) -> dict[tuple[str, int], int]:
    """The place of each step."""
    return {step: number for number, step in enumerate(named(steps))}


def recalled(kind: str) -> Timeline:
    """A new timeline beside the last one of this kind."""
    try:
        past = [(float(seconds), str(text)) for seconds, text in json.loads(file_of(kind).read_text())]
    except (OSError, ValueError, TypeError):
        past = []
    is_good = all(0 <= earlier[0] <= later[0] for earlier, later in pairwise(past))
    return Timeline(past if is_good else [])


def keep(kind: str, timeline: Timeline, seconds: float) -> None:
    """Store a run that has ended; where nothing can be written, nothing is stored."""
    with suppress(OSError):
        written_whole(file_of(kind), json.dumps([*timeline.steps, (seconds, END)]).encode())


def file_of(kind: str) -> Path:
    """Where the last run of a kind is stored."""
    return FOLDER / "timelines" / f"{kind}.json"
