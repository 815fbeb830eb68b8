"""Judges a report again, from its measurements alone, and says which stored verdicts differ."""

import json
from dataclasses import dataclass
from typing import Any

from evaluation.judge.outcomes import outcome_of
from evaluation.judge.verdicts import judge
from evaluation.records import Outcome
from evaluation.report.document import measured_side
from evaluation.report.judgement import judgement

KNOWN_OTHERWISE = ("empty_patch", "patch_failed", "timeout", "no_verdict")
"""Outcomes that do not follow from measurements."""
WORDS = ("title", "sentence")
"""Fields that say what was judged, and no verdict."""


@dataclass(frozen=True, slots=True)
class Regrading:
    """The outcome that the measurements have today, and the parts of the report that are judged otherwise."""

    outcome: Outcome
    differences: tuple[str, ...]


def regrade(report: dict[str, Any]) -> Regrading:
    """Judge both sides of a report again; parts that an older report does not have are not compared."""
    before, after = measured_side(report, "before"), measured_side(report, "after")
    outcome = outcome_of(after, judge(after))
    if report["outcome"] in KNOWN_OTHERWISE:
        outcome = Outcome(report["outcome"], report["error"] or "")
    found = json.loads(json.dumps(judgement(before, after, outcome.name)))
    stored = {**report, "comparison": report["results"]["comparison"]}
    differences = [name for name in found if name in stored and not agrees(stored[name], found[name])]
    if outcome.name != report["outcome"]:
        differences.insert(0, "outcome")
    return Regrading(outcome, tuple(differences))


def agrees(stored: object, found: object) -> bool:
    """Whether a stored part says what was found; an older report may lack fields that were added since."""
    if isinstance(stored, dict) and isinstance(found, dict):
        names = [name for name in stored if name not in WORDS]
        return all(name in found and agrees(stored[name], found[name]) for name in names)
    if isinstance(stored, list) and isinstance(found, list):
        return len(stored) == len(found) and all(map(agrees, stored, found))
    return stored == found
