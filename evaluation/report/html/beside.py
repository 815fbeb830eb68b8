"""Writes the page of a report beside its file."""

import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from evaluation.report.html.page import page
from evaluation.report.printable import printable
from evaluation.report.whole import written_whole


def write_beside(files: Sequence[Path], report: dict[str, Any], remark: str = "") -> None:
    """Write the page beside each file that holds the report: report.html beside report.json.

    The page is no part of a verdict: whatever goes wrong with it is told, and nothing else depends on it.
    Then no page is left there, for it would be that of another report.
    """
    places = [place_beside(path) for path in files if path.is_file() and not path.is_symlink()]
    try:
        body = page(report, remark).encode()
        for place in places:
            written_whole(place, body)
    except Exception as error:
        for place in places:
            with suppress(OSError):
                place.unlink(missing_ok=True)
        reason = printable(f"{type(error).__name__}: {error}")
        print(f"report.html was not written, but the report was: {reason}", file=sys.stderr)


def place_beside(path: Path) -> Path:
    """Where the page of a report stands: it has the name of the report, and another ending."""
    return path.with_suffix(".html") if path.suffix == ".json" else path.with_name(f"{path.name}.html")
