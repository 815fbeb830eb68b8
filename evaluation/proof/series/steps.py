"""The steps as patches, `patches/series/NN-Rnn-what.patch`: each changes what the one before has made."""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from evaluation.candidates.difference import difference
from evaluation.candidates.folder import copied
from evaluation.candidates.git import git
from evaluation.candidates.patches import apply_patch
from evaluation.errors import UsageError
from evaluation.pipeline import BASELINE, REFERENCE
from evaluation.proof.patched import PATCHES, header

SERIES = PATCHES / "series"
NAME = re.compile(r"(?P<number>\d\d)-((?P<requirement>R\d\d)-)?[a-z0-9-]+")
START = "00-baseline"
"""The catalog that the first step changes, by the name that it has among the steps."""


@dataclass(frozen=True, slots=True)
class Step:
    """A patch of the series; only the last one, which goes beyond them, is for no requirement."""

    path: Path
    number: int
    requirement: str | None

    @property
    def name(self) -> str:
        """The name of the patch, and of the folder that it makes."""
        return self.path.stem


@dataclass(frozen=True, slots=True)
class Change:
    """How much a step changes."""

    files: int
    added: int
    removed: int


def steps(folder: Path = SERIES) -> tuple[Step, ...]:
    """All steps in their order; UsageError for a name that is none of a step."""
    found = []
    for path in sorted(folder.glob("*.patch")):
        parts = NAME.fullmatch(path.stem)
        if parts is None:
            raise UsageError(f"{path.name} is not named like 05-R04-what.patch")
        found.append(Step(path, int(parts["number"]), parts["requirement"]))
    return tuple(found)


def build(into: Path, series: Sequence[Step] | None = None, baseline: Path = BASELINE) -> list[Path]:
    """Make a folder of the baseline and of every step, each from the one before; PatchFailedError."""
    folders = [copied(baseline, into / START)]
    for step in steps() if series is None else series:
        apply_patch(folders[-1], step.path.read_bytes(), into / step.name)
        folders.append(into / step.name)
    return folders


def rewrite(folders: Sequence[Path], series: Sequence[Step] | None = None) -> list[str]:
    """Write the patches anew from the folders of the steps, in their order; return the names that changed.

    What stands above the diff of each patch stays. The last patch leads to the reference, whatever its
    folder holds.
    """
    changed = []
    befores = [BASELINE, *folders[:-1]]
    afters = [*folders[:-1], REFERENCE]
    for step, before, after in zip(steps() if series is None else series, befores, afters, strict=True):
        text = prose(step) + without_digests(difference(before, after))
        if text != step.path.read_text(encoding="utf-8"):
            step.path.write_text(text, encoding="utf-8")
            changed.append(step.name)
    return changed


def prose(step: Step) -> str:
    """What stands above the diff."""
    return step.path.read_text(encoding="utf-8").partition("diff --git ")[0]


def with_line(step: Step, name: str, value: str) -> None:
    """Put another value behind `Name: ` above the diff of a step."""
    text = step.path.read_text(encoding="utf-8")
    line = re.compile(rf"^{re.escape(name)}: .*$", re.MULTILINE)
    if line.search(prose(step)) is None:
        raise UsageError(f"{step.path.name} has no line `{name}: ` above its diff")
    step.path.write_text(line.sub(lambda _: f"{name}: {value}", text, count=1), encoding="utf-8")


def without_digests(patch: str) -> str:
    """A patch without the lines that change with every change of a file."""
    return re.sub(r"^index .*\n", "", patch, flags=re.MULTILINE)


def change(step: Step) -> Change:
    """How many files and lines a step changes."""
    body = step.path.read_text(encoding="utf-8").removeprefix(prose(step))
    added, removed = (re.findall(rf"^{sign}(?!{sign}{sign} )", body, re.MULTILINE) for sign in (r"\+", "-"))
    return Change(body.count("diff --git "), len(added), len(removed))


def undone(step: Step, into: Path) -> str | None:
    """Write the reference without what a step brings; the reason where that is not possible.

    The mutants do that which a step names; where it names none, git takes the step back.
    """
    if names := [name for name in header(step.path, "Undone by").split(", ") if name]:
        latest = REFERENCE
        for number, name in enumerate(names, 1):
            folder = into if number == len(names) else into.with_name(f"{into.name}-{number}")
            apply_patch(latest, (PATCHES / "mutants" / f"{name}.patch").read_bytes(), folder)
            latest = folder
        return None
    copied(REFERENCE, into)
    done = git(into, "apply", "--reverse", "-C0", "--whitespace=nowarn", str(step.path), GIT_DIR=os.devnull)
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    return errors[0].removeprefix("error: ") if done.returncode else None
