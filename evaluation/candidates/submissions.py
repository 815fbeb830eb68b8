"""Submissions: a folder, a patch against the baseline, or the rows of a file of predictions."""

import re
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

from evaluation.candidates.folder import Entry, checked_directory, copied, packed, unpacked
from evaluation.candidates.patches import apply_patch
from evaluation.candidates.predictions import SUFFIXES, read_rows
from evaluation.errors import CandidateError, EmptyPatchError, PatchFailedError, UsageError

BASELINE = Path(__file__).parents[2] / "repository_before"
MOST_NAMED = 20
LONGEST_NAME = 80
NOT_IN_A_NAME = re.compile(r"[^\w.+=@ -]")
TAKEN = ("predictions", "summary")
"""Names that the reports' folder has for other things."""


@dataclass(frozen=True, slots=True)
class Submission:
    """One candidate to grade: a folder when `patch` is None; only a prediction has a `model`.

    `refused` is the reason why there is nothing to grade. The name is a plain name of a file. A folder that
    was packed for another machine has `files`, or else the `flaw` for which it cannot be served.
    """

    name: str
    source: Path
    patch: bytes | None = None
    model: str | None = None
    refused: str | None = None
    files: tuple[Entry, ...] | None = None
    flaw: str | None = None

    def packed(self) -> "Submission":
        """The same submission with all that another machine needs to grade it."""
        if self.patch is not None or self.refused is not None:
            return self
        try:
            return replace(self, files=packed(checked_directory(self.source)))
        except CandidateError as error:
            return replace(self, flaw=str(error))

    def digest(self) -> str:
        """The digest of what is handed in, whatever it is called; only of a packed submission."""
        return sha256(repr((self.patch, self.refused, self.files, self.flaw)).encode()).hexdigest()

    def as_folder(self, into: Path) -> tuple[str, ...]:
        """Create the candidate's folder at `into`; return notes for the reader of its report.

        CandidateError with the reason when that is impossible.
        """
        notes: tuple[str, ...] = ()
        if self.refused is not None:
            raise PatchFailedError(self.refused)
        if self.flaw is not None:
            raise CandidateError(self.flaw)
        if self.files is not None:
            unpacked(self.files, into)
        elif self.patch is None:
            copied(checked_directory(self.source), into)
        elif not self.patch.strip():
            raise EmptyPatchError("the patch is empty")
        else:
            notes = notes_on(apply_patch(BASELINE, self.patch, into))
        checked_directory(into)
        return notes


def notes_on(ignored: tuple[str, ...]) -> tuple[str, ...]:
    """A sentence about the paths of a patch that were ignored."""
    more = f" and {len(ignored) - MOST_NAMED} more" if len(ignored) > MOST_NAMED else ""
    named = f"{', '.join(ignored[:MOST_NAMED])}{more}"
    return (f"ignored, because it is not served: {named}",) if ignored else ()


def read_submissions(paths: list[Path]) -> list[Submission]:
    """The submissions that the paths name, each with a unique name; UsageError for an unreadable path."""
    found: list[Submission] = []
    for path in paths:
        if path.is_dir():
            found.append(Submission(path.resolve().name, path))
        elif not path.is_file():
            raise UsageError(f"{path} is neither a folder nor a file")
        elif path.suffix in SUFFIXES:
            found += predictions(path)
        else:
            found.append(Submission(path.stem, path, path.read_bytes()))
    taken = set(TAKEN)
    return [replace(one, name=unique_name(one.name, taken)) for one in found]


def predictions(path: Path) -> list[Submission]:
    """The submissions of a file of predictions: one for each row, whether it can be graded or not."""
    return [
        Submission(row.model or f"{path.stem}-{row.place}", path, row.patch, row.model, row.refused)
        for row in read_rows(path)
    ]


def unique_name(wanted: str, taken: set[str]) -> str:
    """A plain name of a file that resembles the wanted one; it is added to the names that are taken."""
    plain = NOT_IN_A_NAME.sub("_", wanted.replace("/", "__"))[:LONGEST_NAME].strip(" .") or "unnamed"
    name, number = plain, 1
    while name.casefold() in taken:
        number += 1
        name = f"{plain}-{number}"
    taken.add(name.casefold())
    return name
