"""Baseline and reference as an earlier report has them, instead of measuring them again."""

from dataclasses import replace
from typing import Any

from evaluation.errors import UsageError
from evaluation.records import Measured
from evaluation.report.document import measured_side


def sides_of(
    report: dict[str, Any], conditions: dict[str, str], contents: dict[str, str], with_load: bool
) -> tuple[Measured, Measured]:
    """Both sides, or UsageError with what differs from now.

    `conditions` are those of the report's `environment`; `contents` are the digests of baseline (`before`)
    and reference (`after`). Load is left out when it is not wanted, so that a `full` report serves `quick`.
    """
    sides = {name: measured_side(report, name) for name in contents}
    wrong = [
        f"{name} was {str(report['environment'].get(name, 'not noted'))[:12]}, is {value[:12]}"
        for name, value in conditions.items()
        if report["environment"].get(name) != value
    ]
    changed = [name for name in contents if sides[name].content != contents[name]]
    wrong += [f"its {name} ({sides[name].candidate}) has other files" for name in changed]
    if report["outcome"] != "resolved":
        wrong.append(f"its outcome is {report['outcome']}")
    if with_load and not all(side.load for side in sides.values()):
        wrong.append("it holds no load (made with --profile full?)")
    if wrong:
        raise UsageError(f"the report cannot be reused: {'; '.join(wrong)}")
    before, after = (side if with_load else replace(side, load=(), growth=()) for side in sides.values())
    return before, after
