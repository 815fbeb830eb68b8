"""How much of what others wrote a page shows, so that it stays small whatever a candidate sent."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

from markupsafe import escape

from evaluation.report.printable import printable

T = TypeVar("T")
LIMIT_BYTES = 1_500_000
"""No page is larger than this."""


@dataclass(frozen=True, slots=True)
class Extent:
    """The most characters of one text and of a difference, and the most rows of one list."""

    text: int
    difference: int
    rows: int


EXTENTS = (Extent(3_000, 150_000, 400), Extent(600, 60_000, 200), Extent(120, 0, 40))
"""A page is made with the first of these with which it is small enough."""


def clipped(text: str, longest: int) -> str:
    """The beginning of a text that takes at most this many characters in a page; what is left out is told."""
    shown = printable(text[: longest + 1])
    if len(text) <= longest and len(escape(shown)) <= longest:
        return shown
    while len(escape(shown)) > longest:
        shown = shown[: max(0, min(len(shown) - 1, len(shown) * longest // len(escape(shown))))]
    return f"{shown}\n[… cut: the text has {len(text):,} characters; report.json has all of them]"


def first(rows: Iterable[T], extent: Extent) -> list[T]:
    """The first rows of a list, as many as a page shows."""
    return list(islice(rows, extent.rows))
