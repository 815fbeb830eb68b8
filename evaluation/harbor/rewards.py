"""Turns a report into rewards: `python -m evaluation.harbor.rewards TASK REPORT FILE`, as test.sh does.

Where there is no verdict there are no rewards: no file is written, and whoever runs the task sees an error
and no failure of the candidate.
"""

import json
import sys
from pathlib import Path
from typing import Any

from evaluation.criteria import API, SPECIFIED
from evaluation.errors import RESOLVED, EvaluationError, InfrastructureError
from evaluation.parser import Parser
from evaluation.report.whole import written_whole


def main() -> int:
    """Write the rewards of a report; return the exit status."""
    options = Parser(prog="python -m evaluation.harbor.rewards", description="Write the rewards of a report.")
    options.add_argument("task", type=Path, metavar="TASK", help="the task.json that says what is asked for")
    options.add_argument("report", type=Path, metavar="REPORT", help="a report.json")
    options.add_argument("file", type=Path, metavar="FILE", help="where the rewards go")
    chosen = options.parse_args()
    try:
        found = rewards(read(chosen.report), read(chosen.task))
    except EvaluationError as error:
        print(f"no rewards: {error}", file=sys.stderr)
        return error.status
    written_whole(chosen.file, (json.dumps(found, indent=2) + "\n").encode())
    return RESOLVED


def read(path: Path) -> dict[str, Any]:
    """The contents of a file that the grading needs or writes; InfrastructureError when there is none."""
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InfrastructureError(f"nothing can be read in {path.name}: {error}") from error
    return found


def rewards(report: dict[str, Any], task: dict[str, Any]) -> dict[str, float]:
    """`reward` (1 when resolved), one entry for each requirement and the API, and the share of hardening.

    All of them are 0 for a candidate that tampers: what it seems to meet was not measured.
    InfrastructureError when there is no verdict.
    """
    if report["outcome"] == "no_verdict":
        raise InfrastructureError(report["error"] or "no verdict")
    met = {row["requirement"]: row["after"]["passed"] is True for row in report["requirements"]}
    met[API] = answers_as_before(report)
    found = {
        "reward": float(is_resolved(report, met, task)),
        **{name: float(holds) for name, holds in met.items()},
        "hardening": share(report["hardening"]),
    }
    return dict.fromkeys(found, 0.0) if report["outcome"] == "tampered" else found


def is_resolved(report: dict[str, Any], met: dict[str, bool], task: dict[str, Any]) -> bool:
    """Whether the candidate does what is asked for: the whole task, or one requirement beside what held."""
    if task["requirement"] is None:
        return bool(report["outcome"] == "resolved")
    tests = {test["nodeid"] for test in report["results"]["after"]["tests"] if test["outcome"] == "passed"}
    return met[task["requirement"]] and tests.issuperset(task["tests"])


def answers_as_before(report: dict[str, Any]) -> bool:
    """Whether every specified criterion of the API holds."""
    return all(
        row["after"]["passed"] is True
        for row in report["criteria"]
        if row["requirement"] is None and row["level"] == SPECIFIED
    )


def share(hardening: dict[str, Any]) -> float:
    """The share of the hardening criteria that hold; 0 when none was judged."""
    return round(hardening["held"] / hardening["total"], 4) if hardening["total"] else 0.0


if __name__ == "__main__":
    raise SystemExit(main())
