"""The instances that become tasks: the whole one, in a list of one, and smaller ones."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evaluation.candidates.folder import content_digest, copied
from evaluation.candidates.patches import apply_patch
from evaluation.errors import CandidateError, UsageError

ROOT = Path(__file__).parents[2]
BASELINE = ROOT / "repository_before"
WHOLE = ROOT / "instances" / "HOFAZ9.list.json"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
"""The ids that can be names of tasks and of folders."""


@dataclass(frozen=True, slots=True)
class Task:
    """One instance. It begins with the baseline, changed by some patches, and ends with one more patch.

    `base_content` is the digest of what it begins with. One with a `requirement` is resolved when that is met
    and all `tests` pass; any other one when the whole task is.
    """

    instance_id: str
    statement: str
    patch: str
    base_patches: tuple[Path, ...] = ()
    base_content: str | None = None
    requirement: str | None = None
    tests: tuple[str, ...] = ()

    @property
    def short_name(self) -> str:
        """The name of its folder, and the second part of its name."""
        return self.instance_id.lower()

    @property
    def title(self) -> str:
        """The heading of its statement."""
        return self.statement.partition("\n")[0].lstrip("# ")

    def write_start(self, into: Path) -> Path:
        """Write the catalog that it begins with; UsageError when that is not the one that it names."""
        latest = BASELINE
        for number, path in enumerate(self.base_patches):
            latest = self.patched(latest, path.read_bytes(), into.parent / f"{into.name}-{number}")
        copied(latest, into)
        if self.base_content not in (None, content_digest(into)):
            raise UsageError(f"{self.instance_id} begins with another catalog than that of its patches")
        return into

    def write_end(self, start: Path, into: Path) -> Path:
        """Write the catalog that its patch makes of the one that it begins with."""
        return self.patched(start, self.patch.encode(), into)

    def patched(self, start: Path, patch: bytes, into: Path) -> Path:
        """A patched copy of a catalog; UsageError when the patch does not apply."""
        try:
            apply_patch(start, patch, into)
        except CandidateError as error:
            raise UsageError(f"a patch of {self.instance_id} is of no use: {error}") from error
        return into


def read_tasks(paths: list[Path]) -> list[Task]:
    """The instances of all files; UsageError for a file that has none, and for two of one name."""
    tasks = [task for path in paths for task in tasks_in(path)]
    names = [task.short_name for task in tasks]
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise UsageError(f"two instances would be written to {', '.join(repeated)}")
    return tasks


def tasks_in(path: Path) -> list[Task]:
    """The instances of one file: a list of them, or one alone."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        tasks = [task_from(row) for row in (found if isinstance(found, list) else [found])]
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise UsageError(f"{path} holds no instance: {type(error).__name__}: {error}") from error
    if not tasks or not all(NAME.fullmatch(task.instance_id) for task in tasks):
        raise UsageError(f"{path} holds no instance, or one whose id can be no name of a folder")
    return tasks


def task_from(row: dict[str, Any]) -> Task:
    """One instance, read from JSON."""
    requirement = row.get("requirement")
    return Task(
        row["instance_id"],
        row["problem_statement"],
        row["patch"],
        tuple(ROOT / name for name in row.get("base_patches", [])),
        row.get("base_content"),
        requirement,
        (*row["FAIL_TO_PASS"], *row["PASS_TO_PASS"]) if requirement else (),
    )
