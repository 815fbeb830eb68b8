"""What a run shows: lines for logs, a progress bar in a terminal, JSON events, or its end alone."""

import json
import sys
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Self

from rich.console import Console
from rich.highlighter import RegexHighlighter
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.theme import Theme

from evaluation.errors import EvaluationError
from evaluation.report.printable import printable
from evaluation.view import timeline

REFRESHES_A_SECOND = 2
CHOICES = {
    "quiet": "print the summary and where the reports are, no progress",
    "json": "print one JSON object a line: progress, report, predictions, error, end",
}


class View:
    """Plain lines, with the seconds since the start before each line of progress."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.started = time.monotonic()
        self.timeline = timeline.recalled(kind)
        self.lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close(error)

    def close(self, error: BaseException | None) -> None:
        """The run has ended, or failed with this error."""
        if error is None:
            timeline.keep(self.kind, self.timeline, self.seconds())

    def seconds(self) -> float:
        """Since the start."""
        return time.monotonic() - self.started

    def progress(self, text: str) -> None:
        """A step begins; called from several threads."""
        with self.lock:
            self.timeline.note(self.seconds(), text)
            self.show_progress(self.seconds(), text)

    def show_progress(self, seconds: float, text: str) -> None:
        """Show a line of progress."""
        self.print(f"[{seconds:6.1f} s] {text}")

    def wrote(self, what: str, path: Path, report: dict[str, Any]) -> None:
        """A file of this report was written."""
        self.print(f"{what}: {path}")

    def summary(self, text: str) -> None:
        """Show the summary of the whole run."""
        self.print(text)

    def end(self, status: int) -> int:
        """The run has ended with this exit status."""
        return status

    def print(self, text: str) -> None:
        """Write a text at once, so that no other thread's comes into it."""
        sys.stdout.write(f"{printable(text)}\n")
        sys.stdout.flush()


class Quiet(View):
    """The summary and the paths alone."""

    def show_progress(self, seconds: float, text: str) -> None:
        """Nothing."""


class Events(View):
    """One JSON object a line, for machines."""

    def show_progress(self, seconds: float, text: str) -> None:
        """A step begins; `left_s` is null in the first run of a kind."""
        self.tell("progress", text=text, left_s=rounded(self.timeline.left_s(seconds)))

    def wrote(self, what: str, path: Path, report: dict[str, Any]) -> None:
        """A file was written, and this is the outcome of its report."""
        candidate = report["results"]["after"]["candidate"]
        self.tell(
            what, path=str(path), candidate=candidate, outcome=report["outcome"], reason=report["error"]
        )

    def summary(self, text: str) -> None:
        """Nothing: the report holds it."""

    def end(self, status: int) -> int:
        """The last event."""
        self.tell("end", exit_status=status)
        return status

    def close(self, error: BaseException | None) -> None:
        """The error is an event, too."""
        super().close(error)
        if error is not None:
            reason = str(error) if isinstance(error, EvaluationError) else f"{type(error).__name__}: {error}"
            self.tell("error", text=reason.removesuffix(": "))

    def tell(self, event: str, **values: Any) -> None:
        """Write an event."""
        print(json.dumps({"event": event, "seconds": round(self.seconds(), 1), **values}), flush=True)


class Outcomes(RegexHighlighter):
    """Colours for the words that tell an outcome."""

    base_style = "outcome."
    highlights: ClassVar = [
        r"(?P<good>\b(?:pass|resolved|yes)\b)",
        r"(?P<bad>\b(?:fail|unresolved|tampered|timeout|patch_failed|empty_patch)\b)",
        r"(?P<unknown>\b(?:no_verdict|not timed|not judged)\b)",
        r"(?P<step>^\[ *[\d.]+ s\])",
    ]


THEME = Theme(
    {"outcome.good": "green", "outcome.bad": "bold red", "outcome.unknown": "yellow", "outcome.step": "dim"}
)


class Bar(View):
    """A progress bar with the time left below the lines of progress, and colours unless NO_COLOR is set."""

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.console = Console(theme=THEME, highlighter=Outcomes(), soft_wrap=True)
        columns = (BarColumn(), TextColumn("{task.description}"))
        self.bar = Progress(
            *columns, console=self.console, refresh_per_second=REFRESHES_A_SECOND, transient=True
        )
        self.task = TaskID(0)
        self.ended = threading.Event()
        self.moving = threading.Thread(target=self.move, daemon=True)

    def __enter__(self) -> Self:
        self.bar.start()
        self.task = self.bar.add_task("", total=None)
        self.moving.start()
        return self

    def close(self, error: BaseException | None) -> None:
        """Take the bar away."""
        self.stop()
        super().close(error)

    def move(self) -> None:
        """Move the bar with the time, until the run has ended."""
        while not self.ended.wait(1 / REFRESHES_A_SECOND):
            with self.lock:
                seconds = self.seconds()
                left = self.timeline.left_s(seconds)
                total = None if left is None else seconds + left
                self.bar.update(self.task, completed=seconds, total=total, description=told(seconds, left))

    def stop(self) -> None:
        """Take the bar away."""
        if not self.ended.is_set():
            self.ended.set()
            self.moving.join()
            self.bar.stop()

    def summary(self, text: str) -> None:
        """The summary stands where the bar was."""
        self.stop()
        self.print(text)

    def print(self, text: str) -> None:
        """Write a text above the bar."""
        self.console.print(printable(text), markup=False, emoji=False)


def told(seconds: float, left: float | None) -> str:
    """How long the run has taken, and how long it will take yet."""
    if left is None:
        return f"{clock(seconds)}, the first run of its kind here: no estimate yet"
    return f"{clock(seconds)}, about {clock(left)} left" if left >= 1 else f"{clock(seconds)}, nearly done"


def clock(seconds: float) -> str:
    """Minutes and seconds."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def rounded(seconds: float | None) -> float | None:
    """To a tenth of a second."""
    return None if seconds is None else round(seconds, 1)


def view_for(kind: str, *, quiet: bool, as_json: bool) -> View:
    """The view that the options choose; without a word, a bar in a terminal and lines elsewhere."""
    if as_json:
        return Events(kind)
    if quiet:
        return Quiet(kind)
    return Bar(kind) if sys.stdout.isatty() else View(kind)
