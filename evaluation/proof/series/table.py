"""The series as a Markdown table: what each step changes and turned green, and what a page costs after it."""

from collections.abc import Sequence
from typing import Any

from evaluation.criteria import SPECIFIED, criteria
from evaluation.proof.patched import header
from evaluation.proof.series.record import Record
from evaluation.proof.series.steps import START, Step, change

COLUMNS = (
    *("step", "what it changes", "lines", "turns green", "statements", "rows", "buffers", "KB sent"),
    *("cold page", "CPU of a warm page", "P95 of 500 clients"),
)
DEAR = "—"
"""Where 500 clients were not measured: a warm answer costs one process more than 10 ms."""


def table(series: Sequence[Step], record: Record) -> str:
    """A row for the baseline and one for each step."""
    rows = [row(START, "the baseline", "", "", record.catalogs[START])]
    for step in series:
        size = change(step)
        lines = f"+{size.added} −{size.removed}"  # noqa: RUF001
        says, seen = header(step.path, "Step"), record.catalogs[step.name]
        rows.append(row(step.name, says, lines, green(record, step), seen))
    return "\n".join(["| " + " | ".join(COLUMNS) + " |", "|---" * len(COLUMNS) + "|", *rows])


def green(record: Record, step: Step) -> str:
    """What a step turned green: the criteria that decide, and how many others."""
    names = record.catalogs[step.name].get("turned_green", [])
    decide = [name for name in names if criteria()[name].level == SPECIFIED]
    others = len(names) - len(decide)
    return ", ".join(decide) + (f" and {others} of hardening" if others else "")


def row(name: str, says: str, lines: str, turned: str, seen: dict[str, Any]) -> str:
    """One row; figures that were not measured are left out."""
    figures = [""] * 7
    if work := seen.get("work"):
        page = work["first_page_cold"]
        figures[:3] = [f"{page[counter]:,}" for counter in ("statements", "rows", "buffers")]
        figures[3] = f"{page['wire_bytes'] / 1000:.1f}"
    if times := seen.get("times"):
        cpu_us = times["warm_cpu_us"]
        figures[4:] = map(milliseconds, (times["cold_ms"], cpu_us and cpu_us / 1000, times["p95_ms"]))
    return "| " + " | ".join([name, says, lines, turned, *figures]) + " |"


def milliseconds(value: float | None) -> str:
    """Milliseconds with two significant places and more."""
    if value is None:
        return DEAR
    return f"{value:.0f} ms" if value >= 20 else f"{value:.1f} ms" if value >= 2 else f"{value:.2f} ms"
