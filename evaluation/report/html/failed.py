"""What did not hold: every failed criterion with its tests, what they said, and how to ask again."""

import re
import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from typing import Any

from evaluation.report.failures import Failure, failures
from evaluation.report.html.extent import Extent, first

CURL = re.compile(r"\bcurl -i\b.*")
TESTS_SHOWN = 3
"""So many tests of a criterion are told whole; of the others, their names."""


@dataclass(frozen=True, slots=True)
class Told:
    """What a failed test or a measurement said, and a command that asks again."""

    test: str
    message: str
    again: str


@dataclass(frozen=True, slots=True)
class Criterion:
    """A criterion that does not hold."""

    id: str
    level: str
    sentence: str
    tests: int
    told: list[Told]
    others: list[str]


@dataclass(frozen=True, slots=True)
class Failed:
    """All criteria that do not hold on one side; `more` are those that are left out."""

    criteria: list[Criterion]
    more: int
    tests: int


def failed(report: dict[str, Any], side: str, extent: Extent) -> Failed:
    """What did not hold on one side of a report; of one that was not measured at all, nothing."""
    found = [] if report["results"][side]["error"] else failures(report, side)
    rows = [criterion(list(group), extent) for _, group in groupby(found, key=attrgetter("criterion"))]
    shown = first(rows, extent)
    return Failed(shown, len(rows) - len(shown), len(found))


def criterion(found: list[Failure], extent: Extent) -> Criterion:
    """A criterion with what its first tests said."""
    one, others = found[0], [failure.test or "" for failure in found[TESTS_SHOWN:]]
    return Criterion(
        one.criterion,
        one.level,
        one.sentence,
        len(found),
        [told(failure) for failure in found[:TESTS_SHOWN]],
        first(others, extent),
    )


def told(failure: Failure) -> Told:
    """What one failure said, and how to ask again: the request, where the message names one, or the test."""
    return Told(failure.test or "measured beside the suite", failure.message, again(failure))


def again(failure: Failure) -> str:
    """The first request in a message as a command, or the command that runs the test."""
    if asked := next(curls(failure.message.splitlines()), ""):
        return asked
    if failure.test is None:
        return ""
    return shlex.join([".venv/bin/python", "-m", "pytest", "-q", failure.test, "--candidate", "DIR"])


def curls(lines: Iterable[str]) -> Iterator[str]:
    """The requests that lines of a message tell as commands."""
    return (found[0] for line in lines if (found := CURL.search(line)))
