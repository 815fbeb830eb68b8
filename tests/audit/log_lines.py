"""The log of a worker: which lines are about a request, and what they say of its duration."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

NUMBER = re.compile(r"\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")
TIME_STAMP = re.compile(
    r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?|\d\d:\d\d:\d\d(?:[.,]\d+)?"
)
NAME_AND_VALUE = re.compile(r"([\w.-]+)[\"']?\s*[=:]\s*[\"']?([\w.-]+)")
PLAIN = re.compile(r"[A-Za-z0-9/_-]+")
UNITS = (1.0, 1e3, 1e6, 1e9)
"""Seconds, milliseconds, microseconds, nanoseconds."""
CLOCKS_DIFFER_S = 0.003
LOGGED_LATER_S = 0.03
"""A process may lose the processor between sending an answer and reading the clock for its line."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request that must have been logged: what the client saw, and how long it was held up on purpose."""

    method: str
    path: str
    status: int
    elapsed_s: float
    held_s: float = 0.0

    def is_about(self, line: str) -> bool:
        """Whether a line names this method and exactly this path."""
        return (
            self.path in line  # quicker than the patterns, and almost always enough
            and re.search(rf"(?<![A-Za-z]){self.method}(?![A-Za-z])", line) is not None
            and re.search(rf"(?<![\w/.%-]){re.escape(self.path)}(?![\w/%-])", line) is not None
        )

    def numbers(self, line: str) -> list[float]:
        """The numbers of a line that can be a duration: not the path's, not the status, no time stamp."""
        rest = TIME_STAMP.sub(" ", line.replace(self.path, " "))
        rest = re.sub(rf"(?<![\d.]){self.status}(?![\d.])", " ", rest)
        return [float(number) for number in NUMBER.findall(rest)]

    def fits(self, line: str) -> bool:
        """Whether one of these is a duration that the client can confirm, in one unit or another."""
        longest_s = self.elapsed_s + LOGGED_LATER_S
        shortest_s = max(0.0, self.held_s - CLOCKS_DIFFER_S)
        return any(shortest_s <= one / unit <= longest_s for one in self.numbers(line) for unit in UNITS)

    def words(self, line: str) -> frozenset[str]:
        """Words of a line, and names with their values, without what belongs to this request alone."""
        rest = TIME_STAMP.sub(" ", line.replace(self.path, " ").replace(self.method, " "))
        rest = NUMBER.sub("0", rest)
        pairs = {f"{name}={value}" for name, value in NAME_AND_VALUE.findall(rest)}
        return (frozenset(re.split(r"[\s,;|=:\"'{}\[\]()]+", rest)) | pairs) - {"", "0"}


def is_plain(path: str) -> bool:
    """Whether every way of writing a path looks the same."""
    return PLAIN.fullmatch(path) is not None


def lines_about(request: Request, lines: Iterable[str]) -> list[str]:
    """The lines that name a request."""
    return [line for line in lines if request.is_about(line)]
