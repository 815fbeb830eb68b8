"""Carries changes of both catalogs into all steps, which then lead from the one to the other again."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from evaluation.candidates.folder import contents
from evaluation.candidates.git import output_of_git
from evaluation.pipeline import BASELINE, REFERENCE
from evaluation.proof.series.steps import Step, build, rewrite, steps


@dataclass(frozen=True, slots=True)
class Refitted:
    """Steps whose patches changed, and files of steps that took up nothing of what changed in them."""

    changed: tuple[str, ...]
    left: tuple[str, ...]


def refit_series(before: Path, after: Path, series: Sequence[Step] | None = None) -> Refitted:
    """Fit the patches to the catalogs of today; they fit a baseline and a reference of some time ago.

    A changed line that a step does not have yet comes with the step that brings it, or with the last one.
    """
    series = steps() if series is None else series
    left = []
    with tempfile.TemporaryDirectory(prefix="hofaz9-series-") as scratch:
        _, *folders = build(Path(scratch) / "series", series, before)
        for folder in folders:
            old, names = contents(folder), set()
            for then, now in ((before, BASELINE), (after, REFERENCE)):
                # What is new in the reference comes with the last step, whose folder is the reference anyway.
                names |= carry(contents(then), contents(now), folder, with_new=now == BASELINE)
            new = contents(folder)
            left += [f"{folder.name}/{name}" for name in sorted(names) if old.get(name) == new.get(name)]
        return Refitted(tuple(rewrite(folders, series)), tuple(left))


def carry(then: dict[str, bytes], now: dict[str, bytes], folder: Path, *, with_new: bool) -> set[str]:
    """Make the changes of a catalog in a step's folder; return the names of its files that changed there."""
    changed = set()
    for name in {name for name in then.keys() | now.keys() if then.get(name) != now.get(name)}:
        file = folder / name
        mine = file.read_bytes() if file.exists() else None
        if mine is None:
            if with_new and name not in then:
                put(file, now[name])
            continue
        changed.add(name)
        if mine == then.get(name):
            put(file, now.get(name))
        elif name in then and name in now:
            put(file, merged(mine, then[name], now[name]))
    return changed


def put(file: Path, content: bytes | None) -> None:
    """Give a file this content; None removes it."""
    if content is None:
        file.unlink()
    else:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)


def merged(mine: bytes, then: bytes, now: bytes) -> bytes:
    """My file with what changed in another one since then; where both differ in the same lines, mine stay."""
    with tempfile.TemporaryDirectory(prefix="hofaz9-merge-") as scratch:
        for name, content in (("mine", mine), ("then", then), ("now", now)):
            (Path(scratch) / name).write_bytes(content)
        output_of_git(Path(scratch), "merge-file", "--ours", "mine", "then", "now")
        return (Path(scratch) / "mine").read_bytes()
