"""Reads files of predictions: rows with `instance_id`, `model_name_or_path` and `model_patch`.

A row that cannot be graded is told apart from the others, which it does not harm.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evaluation.errors import UsageError
from evaluation.records import INSTANCE_ID

LINES = (".jsonl", ".ndjson")
SUFFIXES = (".json", *LINES)
NEEDED = "a row is an object with instance_id, model_name_or_path, model_patch"


@dataclass(frozen=True, slots=True)
class Row:
    """One row: where it stands, its model, and its patch or the reason why it has none."""

    place: str
    model: str | None
    patch: bytes | None
    refused: str | None = None


def read_rows(path: Path) -> list[Row]:
    """The rows of a file: JSON lines, a JSON list, or a JSON object; UsageError when there are none."""
    body = path.read_bytes()
    try:
        text = body.decode(json.detect_encoding(body))
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not text: {error}") from error
    rows = list(rows_of_lines(text) if path.suffix in LINES else rows_of_document(path, text))
    if not rows:
        raise UsageError(f"{path} holds no prediction")
    return rows


def rows_of_lines(text: str) -> Iterator[Row]:
    """The rows of JSON lines; only a line feed ends a line."""
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            place = f"line {number}"
            try:
                yield row_of(place, json.loads(line))
            except (ValueError, RecursionError) as error:
                yield Row(place, None, None, f"{place} is not JSON: {error}")


def rows_of_document(path: Path, text: str) -> Iterator[Row]:
    """The rows of a JSON list, of an object whose keys are instances, or of an object that is one row."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path} is not a file of predictions: it is not JSON: {error}") from error
    if isinstance(value, dict) and "model_patch" not in value:
        value = [
            {"instance_id": name, **(row if isinstance(row, dict) else {"model_patch": row})}
            for name, row in value.items()
        ]
    for number, row in enumerate(value if isinstance(value, list) else [value], 1):
        yield row_of(f"row {number}", row)


def row_of(place: str, row: Any) -> Row:
    """One row; a patch of null is an empty patch."""
    if not isinstance(row, dict):
        return Row(place, None, None, f"{place} is no object: {NEEDED}")
    named = row.get("model_name_or_path")
    model = named if isinstance(named, str) and named else "unnamed"
    if "model_patch" not in row:
        return Row(place, model, None, f"{place} has no model_patch: {NEEDED}")
    instance, patch = row.get("instance_id"), row["model_patch"]
    if instance != INSTANCE_ID:
        return Row(place, model, None, f"{place} is of the instance {instance!r}, and this is {INSTANCE_ID}")
    if not isinstance(patch, str | None):
        return Row(place, model, None, f"{place}: its model_patch is no text but {type(patch).__name__}")
    try:
        return Row(place, model, (patch or "").encode())
    except UnicodeEncodeError as error:
        return Row(place, model, None, f"{place}: its model_patch is not valid text: {error.reason}")
