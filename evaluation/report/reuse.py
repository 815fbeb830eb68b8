"""Takes baseline and reference from an earlier report, so that they are not measured again."""

from dataclasses import replace
from typing import Any

from evaluation.errors import UsageError
from evaluation.records import Measured
from evaluation.report.document import measured_side


def sides_of(
    report: dict[str, Any], conditions: dict[str, str], contents: dict[str, str], with_load: bool
) -> tuple[Measured, Measured]:
    """Baseline and reference from a report; UsageError with the differences when they do not match.

    `conditions` are compared with the report's `environment`, `contents` with the digests of baseline
    (`before`) and reference (`after`). Without `with_load`, load is left out, so that a report of the profile
    `full` can be used for `quick`.
    """
    sides = {name: measured_side(report, name) for name in contents}
    differences = [
        f"{name} was {str(report['environment'].get(name, 'not noted'))[:12]}, is {value[:12]}"
        for name, value in conditions.items()
        if report["environment"].get(name) != value
    ]
    changed = [name for name in contents if sides[name].content != contents[name]]
    differences += [f"its {name} ({sides[name].candidate}) has other files" for name in changed]
    if report["outcome"] != "resolved":
        differences.append(f"its outcome is {report['outcome']}")
    if with_load and not all(side.load for side in sides.values()):
        differences.append("it contains no load: only --profile full measures that")
    if differences:
        raise UsageError(f"the report cannot be reused: {'; '.join(differences)}")
    before, after = (side if with_load else as_in_quick(side) for side in sides.values())
    return before, after


def as_in_quick(side: Measured) -> Measured:
    """The measurements without those that the profile `quick` does not make."""
    return replace(side, load=(), growth=(), counts=(), page_500=None)
