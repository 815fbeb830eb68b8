"""The log of a worker: which lines are about a request, and what they say of its duration."""

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace

NUMBER = re.compile(r"\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")
TIME_STAMP = re.compile(
    r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?|\d\d:\d\d:\d\d(?:[.,]\d+)?"
)
NAME_AND_VALUE = re.compile(r"([\w.-]+)[\"']?\s*[=:]\s*[\"']?([\w.-]+)")
NAME_AND_NUMBER = re.compile(r"([A-Za-z_][\w.-]*)[\"']?\s*[=:]\s*[\"']?(\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)")
PLAIN = re.compile(r"[A-Za-z0-9/_-]+")
UNITS = (1.0, 1e3, 1e6, 1e9)
"""Seconds, milliseconds, microseconds, nanoseconds."""
CLOCKS_DIFFER_S = 0.003
LOGGED_LATER_S, LOGGED_MUCH_LATER_S = 0.03, 0.2
"""A process may lose the processor between sending an answer and reading the clock for its line; on a busy
machine seldom for much longer."""


Place = str | int
"""The name before a number, or how many numbers stand before it (if negative, from there on)."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request that must have been logged: what the client saw, and how long it was held up on purpose."""

    method: str
    path: str
    status: int = 200
    elapsed_s: float = 0.0
    held_s: float = 0.0
    later_s: float = LOGGED_LATER_S

    def is_about(self, line: str) -> bool:
        """Whether a line names this method and exactly this path."""
        return (
            self.path in line  # quicker than the patterns, and almost always enough
            and re.search(rf"(?<![A-Za-z]){self.method}(?![A-Za-z])", line) is not None
            and re.search(rf"(?<![\w/.%-]){re.escape(self.path)}(?![\w/%-])", line) is not None
        )

    def places(self, line: str) -> frozenset[Place]:
        """The places of numbers that the client can confirm as a duration, in one unit or another.

        The path's numbers, the status and time stamps are none.
        """
        rest = TIME_STAMP.sub(" ", line.replace(self.path, " "))
        rest = re.sub(rf"(?<![\d.]){self.status}(?![\d.])", " ", rest)
        numbers = NUMBER.findall(rest)
        placed: list[tuple[Place, str]] = [*NAME_AND_NUMBER.findall(rest), *enumerate(numbers)]
        placed += zip(range(-len(numbers), 0), numbers, strict=True)
        longest_s = self.elapsed_s + self.later_s
        shortest_s = max(0.0, self.held_s - CLOCKS_DIFFER_S)
        return frozenset(
            place
            for place, one in placed
            if any(shortest_s <= float(one) / unit <= longest_s for unit in UNITS)
        )

    def fits(self, line: str) -> bool:
        """Whether a line tells a duration that the client can confirm."""
        return bool(self.places(line))

    def generously(self) -> "Request":
        """The same request, whose process may have lost the processor for longer."""
        return replace(self, later_s=LOGGED_MUCH_LATER_S)

    def words(self, line: str) -> frozenset[str]:
        """Words of a line, and names with their values, without what belongs to this request alone."""
        rest = TIME_STAMP.sub(" ", line.replace(self.path, " ").replace(self.method, " "))
        rest = NUMBER.sub("0", rest)
        pairs = {f"{name}={value}" for name, value in NAME_AND_VALUE.findall(rest)}
        return (frozenset(re.split(r"[\s,;|=:\"'{}\[\]()]+", rest)) | pairs) - {"", "0"}


def without_a_place(logged: Iterable[tuple[Request, list[str]]]) -> list[str]:
    """Lines of one form, in which no one place holds the duration of every request.

    A line that holds many numbers has one that fits by chance; the duration is told where it always stands.
    """
    common: dict[frozenset[frozenset[str]], frozenset[tuple[frozenset[str], Place]]] = {}
    shown: defaultdict[frozenset[frozenset[str]], list[str]] = defaultdict(list)
    for request, lines in logged:
        forms = [names_in(line) for line in lines]
        found = {
            (form, place) for form, line in zip(forms, lines, strict=True) for place in request.places(line)
        }
        form = frozenset(forms)
        common[form] = common.get(form, frozenset(found)) & found
        shown[form].append(f"{1000 * request.elapsed_s:.0f} ms: {lines[0][:200]}")
    return next((shown[form][:4] for form, places in common.items() if not places), [])


def names_in(line: str) -> frozenset[str]:
    """What lines of one form share: the names before their values."""
    return frozenset(name for name, _ in NAME_AND_VALUE.findall(line))


def is_plain(path: str) -> bool:
    """Whether every way of writing a path looks the same."""
    return PLAIN.fullmatch(path) is not None


def lines_about(request: Request, lines: Iterable[str]) -> list[str]:
    """The lines that name a request."""
    return [line for line in lines if request.is_about(line)]
