"""The words for verdicts in summaries, and for what was not judged."""

from typing import Any

from evaluation.criteria import SPECIFIED
from evaluation.judge import cpu

MARKS = {True: "pass", False: "fail", None: "no verdict"}


def mark(report: dict[str, Any], row: dict[str, Any], side: str) -> str:
    """The verdict on a requirement, and whether a criterion of it was not timed."""
    untimed = any(
        one["requirement"] == row["requirement"] and is_untimed(report, one, side)
        for one in specified_rows(report)
    )
    return f"{MARKS[row[side]['passed']]}{', not timed' if untimed else ''}"


def specified_rows(report: dict[str, Any]) -> list[dict[str, Any]]:
    """The criteria that decide the outcome; none in an older report."""
    return [row for row in report.get("criteria", ()) if row["level"] == SPECIFIED]


def is_untimed(report: dict[str, Any], row: dict[str, Any], side: str) -> bool:
    """Whether a criterion has no verdict because another profile times it."""
    return row[side]["passed"] is None and row["profile"] not in (None, report["profile"])


def not_judged(report: dict[str, Any]) -> list[str]:
    """The criteria that decide and have no verdict on the candidate, by reason."""
    rows = specified_rows(report)
    silent = [row for row in rows if row["after"]["passed"] is None]
    # A suite whose tests name no criterion at all is judged by requirements.
    is_by_criteria = any(row["after"]["tests"] for row in rows)
    untested = [row for row in silent if row["profile"] is None and is_by_criteria]
    reasons = {
        "not timed": [row for row in silent if is_untimed(report, row, "after")],
        "not decided on this machine": [row for row in silent if row["profile"] == report["profile"]],
        "not measured": [row for row in untested if row["criterion"] == cpu.CRITERION],
        "not tested": [row for row in untested if row["criterion"] != cpu.CRITERION],
    }
    return [f"{', '.join(row['criterion'] for row in rows)} {why}" for why, rows in reasons.items() if rows]
