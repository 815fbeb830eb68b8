"""Every criterion with its sentence and its verdicts, by requirement."""

from dataclasses import dataclass
from typing import Any

from evaluation.criteria import API, requirements
from evaluation.report.marks import MARKS, is_untimed


@dataclass(frozen=True, slots=True)
class Row:
    """A criterion with its verdicts."""

    id: str
    level: str
    sentence: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Group:
    """A requirement, or the API, with its criteria and how many hold on each side."""

    id: str
    title: str
    rows: list[Row]

    def held(self, side: str) -> int:
        """How many criteria hold on a side."""
        return sum(getattr(row, side) == MARKS[True] for row in self.rows)


def groups(report: dict[str, Any]) -> list[Group]:
    """All criteria of a report; nothing in an older one."""
    titles = {row.id: row.title for row in requirements()}
    titles |= {row["requirement"]: row["title"] for row in report["requirements"] if row.get("title")}
    found: dict[str, list[Row]] = {}
    for row in report.get("criteria", ()):
        found.setdefault(row["requirement"] or API, []).append(row_of(report, row))
    return [Group(name, titles.get(name, ""), rows) for name, rows in found.items()]


def row_of(report: dict[str, Any], row: dict[str, Any]) -> Row:
    """A criterion as a row."""
    before, after = (
        "not timed" if is_untimed(report, row, side) else MARKS[row[side]["passed"]]
        for side in ("before", "after")
    )
    return Row(row["criterion"], row["level"], row["sentence"], before, after)
