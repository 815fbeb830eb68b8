"""Submissions: a folder, a patch against the baseline, or a file of predictions."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evaluation.candidates.folder import checked_directory, contents, copied
from evaluation.candidates.patches import apply_patch
from evaluation.errors import EmptyPatchError, UsageError
from evaluation.records import INSTANCE_ID

BASELINE = Path(__file__).parents[2] / "repository_before"


@dataclass(frozen=True, slots=True)
class Submission:
    """One candidate to grade: a folder when `patch` is None; only a prediction has a `model`."""

    name: str
    source: Path
    patch: str | None = None
    model: str | None = None

    def as_folder(self, into: Path) -> Path:
        """Create the candidate's folder at `into`; CandidateError with the reason when that is impossible."""
        if self.patch is None:
            contents(copied(checked_directory(self.source), into))
        elif not self.patch.strip():
            raise EmptyPatchError("the patch is empty")
        else:
            apply_patch(BASELINE, self.patch, into)
        return checked_directory(into)


def read_submissions(paths: list[Path]) -> list[Submission]:
    """The submissions that the paths name, each with a unique name; UsageError for an unreadable path."""
    found: list[Submission] = []
    for path in paths:
        if path.is_dir():
            found.append(Submission(path.resolve().name, path))
        elif not path.is_file():
            raise UsageError(f"{path} is neither a folder nor a file")
        elif path.suffix in (".json", ".jsonl"):
            found += predictions(path)
        else:
            found.append(Submission(path.stem, path, text_of(path)))
    taken: dict[str, int] = {}
    named = []
    for one in found:
        taken[one.name] = taken.get(one.name, 0) + 1
        name = one.name if taken[one.name] == 1 else f"{one.name}-{taken[one.name]}"
        named.append(Submission(name, one.source, one.patch, one.model))
    return named


def predictions(path: Path) -> list[Submission]:
    """The rows of a predictions file: JSON lines, a JSON list, or a JSON object by instance."""
    try:
        text = text_of(path)
        rows = (
            [json.loads(line) for line in text.splitlines() if line.strip()]
            if path.suffix == ".jsonl"
            else None
        )
        rows = listed(json.loads(text)) if rows is None else rows
        return [prediction(path, row) for row in rows]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(
            f"{path} is not a file of predictions: {type(error).__name__}: {error} "
            "(each row needs instance_id, model_name_or_path, model_patch)"
        ) from error


def listed(value: Any) -> list[dict[str, Any]]:
    """The rows of a JSON list, or of a JSON object whose keys are instances."""
    if isinstance(value, list):
        return value
    rows = ((name, row if isinstance(row, dict) else {"model_patch": row}) for name, row in value.items())
    return [{"instance_id": name, **row} for name, row in rows]


def prediction(path: Path, row: dict[str, Any]) -> Submission:
    """The submission of one row."""
    if row["instance_id"] != INSTANCE_ID:
        raise UsageError(f"{path}: there is no instance {row['instance_id']!r} here, only {INSTANCE_ID}")
    model = str(row.get("model_name_or_path") or "unnamed")
    return Submission(model.replace("/", "__"), path, row["model_patch"] or "", model)


def text_of(path: Path) -> str:
    """The text of a file; UsageError when it is not text."""
    try:
        return path.read_text()
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not text: {error}") from error
