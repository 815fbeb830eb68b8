"""Turns a report into rewards: `python -m evaluation.harbor.rewards REPORT FILE`, as test.sh of a task does.

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
    options.add_argument("report", type=Path, metavar="REPORT", help="a report.json")
    options.add_argument("file", type=Path, metavar="FILE", help="where the rewards go")
    chosen = options.parse_args()
    try:
        found = rewards(read_report(chosen.report))
    except EvaluationError as error:
        print(f"no rewards: {error}", file=sys.stderr)
        return error.status
    written_whole(chosen.file, (json.dumps(found, indent=2) + "\n").encode())
    return RESOLVED


def read_report(path: Path) -> dict[str, Any]:
    """The report that a grading wrote; InfrastructureError when it wrote none."""
    try:
        report: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InfrastructureError(f"the grading wrote no report: {error}") from error
    return report


def rewards(report: dict[str, Any]) -> dict[str, float]:
    """`reward` (1 when resolved), one entry for each requirement and the API, and the share of hardening.

    All of them are 0 for a candidate that tampers: what it seems to meet was not measured.
    InfrastructureError when there is no verdict.
    """
    if report["outcome"] == "no_verdict":
        raise InfrastructureError(report["error"] or "no verdict")
    found = {
        "reward": float(report["outcome"] == "resolved"),
        **{row["requirement"]: float(row["after"]["passed"] is True) for row in report["requirements"]},
        API: float(all(passed(report, API))),
        "hardening": share(report["hardening"]),
    }
    return dict.fromkeys(found, 0.0) if report["outcome"] == "tampered" else found


def passed(report: dict[str, Any], group: str) -> list[bool]:
    """Whether the candidate meets each specified criterion whose id begins with the group."""
    return [
        row["after"]["passed"] is True
        for row in report["criteria"]
        if row["criterion"].startswith(f"{group}.") and row["level"] == SPECIFIED
    ]


def share(hardening: dict[str, Any]) -> float:
    """The share of the hardening criteria that hold; 0 when none was judged."""
    return round(hardening["held"] / hardening["total"], 4) if hardening["total"] else 0.0


if __name__ == "__main__":
    raise SystemExit(main())
