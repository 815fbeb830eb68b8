"""Everything that is judged, read from `instances/criteria.toml`."""

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

FILE = Path(__file__).parents[1] / "instances" / "criteria.toml"
API = "API"
"""The group of criteria that belong to no requirement: the API must answer as before."""
SPECIFIED, HARDENING = "specified", "hardening"
LEVELS = (SPECIFIED, HARDENING)
TIMED_PROFILE = "full"
"""The profile in which timed criteria are judged."""
FIELDS = {"id", "level", "profile", "sentence"}


class CriteriaError(Exception):
    """The list of criteria is malformed."""


@dataclass(frozen=True, slots=True)
class Criterion:
    """One sentence that is judged; `requirement` is None for a criterion of the API.

    A criterion with a profile is judged in that profile alone.
    """

    id: str
    requirement: str | None
    level: str
    sentence: str
    profile: str | None


@dataclass(frozen=True, slots=True)
class Requirement:
    """One requirement (or the API, which is no requirement) with its criteria."""

    id: str
    title: str
    criteria: tuple[Criterion, ...]


@cache
def requirements() -> tuple[Requirement, ...]:
    """The API and all requirements, in the order of the file; CriteriaError when the file is malformed."""
    return parsed(FILE.read_text(encoding="utf-8"))


@cache
def criteria() -> MappingProxyType[str, Criterion]:
    """All criteria by id, in the order of the file."""
    return MappingProxyType({one.id: one for row in requirements() for one in row.criteria})


def requirement_of(criterion: str) -> str | None:
    """The requirement of a criterion id: R08 for R08.3, None for API.2."""
    requirement = criterion.partition(".")[0]
    return None if requirement == API else requirement


def parsed(text: str) -> tuple[Requirement, ...]:
    """The requirements in the text of a criteria file; CriteriaError says what is wrong with it."""
    try:
        rows = tomllib.loads(text)["requirement"]
        found = tuple(requirement_from(row) for row in rows)
    except (tomllib.TOMLDecodeError, KeyError, TypeError, AttributeError) as error:
        raise CriteriaError(f"{FILE.name} is malformed: {type(error).__name__}: {error}") from error
    ids = [row.id for row in found] + [one.id for row in found for one in row.criteria]
    if repeated := sorted({name for name in ids if ids.count(name) > 1}):
        raise CriteriaError(f"{FILE.name} has two entries {', '.join(repeated)}")
    return found


def requirement_from(row: dict[str, Any]) -> Requirement:
    """One requirement with its criteria."""
    check(re.fullmatch(rf"{API}|R\d\d", row["id"]), f"{row['id']!r} is not the id of a requirement")
    criteria = tuple(criterion_from(row["id"], one) for one in row["criterion"])
    check(criteria, f"{row['id']} has no criterion")
    return Requirement(row["id"], row["title"], criteria)


def criterion_from(requirement: str, row: dict[str, Any]) -> Criterion:
    """One criterion of a requirement."""
    name = row["id"]
    check(re.fullmatch(rf"{requirement}\.[1-9]\d*", name), f"{name!r} is not an id of {requirement}")
    check(row["level"] in LEVELS, f"{name}: the level is {row['level']!r}, not one of {', '.join(LEVELS)}")
    check(row.get("profile") in (None, TIMED_PROFILE), f"{name}: the profile can only be {TIMED_PROFILE!r}")
    check(row["sentence"].strip(), f"{name} has no sentence")
    check(not row.keys() - FIELDS, f"{name} has unknown fields: {', '.join(sorted(row.keys() - FIELDS))}")
    return Criterion(name, requirement_of(name), row["level"], row["sentence"], row.get("profile"))


def check(holds: object, message: str) -> None:
    """Raise CriteriaError with the message unless a condition holds."""
    if not holds:
        raise CriteriaError(f"{FILE.name}: {message}")
