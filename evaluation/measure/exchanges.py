"""The requests of a real minute with their answers, and which criteria they break: pure functions."""

import json
import shlex
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from evaluation.database.expected import difference, wrong_total
from evaluation.records import Broken
from evaluation.serving.log_lines import Request, is_plain, lines_about

RIGHT, LINKED, SEEN_AT_ONCE, FRESH, LOGGED = "API.2", "API.4", "API.6", "R08.3", "R16.1"
FEW_STATEMENTS, BUDGET = "R02.1", 5
SHARED, COUNTED = "R08.4", "R11.2"
SHOWN = ("user-agent", "accept-encoding", "if-none-match", "content-type")

Rows = list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a listing must show: `new` rows. `stale` is the criterion that `old` ones break; None: none.

    `total` is how many products its filters let through, where that is asked.
    """

    new: Rows
    old: Rows
    stale: str | None = None
    total: int | None = None


@dataclass(frozen=True, slots=True)
class Exchange:
    """An answered request; `stale` is the criterion that old rows break, `broken` what its answer breaks."""

    process: int
    method: str
    target: str
    headers: dict[str, str]
    client: str
    when: str
    stale: str | None = None
    broken: Broken | None = None

    @property
    def path(self) -> str:
        """The path without the query."""
        return urlsplit(self.target).path

    def told(self) -> str:
        """When and by whom it was sent, as a command that a person can repeat."""
        words = ["curl", "-i", *(["-X", self.method] if self.method != "GET" else [])]
        for name, value in self.headers.items():
            if name.lower() in SHOWN:
                words += ["-H", f"{name}: {value}"]
        command = shlex.join([*words, f"http://HOST{self.target}"])
        return f"{self.when}, {self.client}, process {self.process + 1}: {command}"


def what_is_broken(status: int, body: bytes, wanted: Wanted) -> Broken | None:
    """The criterion that the answer to a GET of a listing breaks, and how; None when it is right."""
    if status == 304 and wanted.stale:
        return Broken(wanted.stale, "304 for the tag of the rows from before")
    if status != 200:
        return Broken(RIGHT, f"status {status}, {body[:100].decode(errors='replace')!r}")
    items = items_of(body)
    if (wrong := difference(items, wanted.new, "items")) is None:
        wrong = wrong_total(content_of(body).get("total"), wanted.total)
        return Broken(COUNTED, wrong) if wrong else None
    if is_of(items, wanted.old, wanted.new):
        return Broken(wanted.stale, wrong) if wanted.stale else None
    return Broken(RIGHT, wrong)


def is_of(items: object, old: Rows, new: Rows) -> bool:
    """Whether every product is shown as it is or as it was."""
    return (
        isinstance(items, list)
        and len(items) == len(new) == len(old)
        and all(
            any(difference(item, row) is None for row in rows)
            for item, *rows in zip(items, old, new, strict=True)
        )
    )


def content_of(body: bytes) -> dict[str, Any]:
    """The page in a body; empty when there is none."""
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def items_of(body: bytes) -> object:
    """The products of a page; None when it has none."""
    return content_of(body).get("items")


def findings(exchanges: Sequence[Exchange]) -> Iterator[Broken]:
    """What answers break: for each criterion, how many of how many, and the first of them."""
    broken = [(one, one.broken) for one in exchanges if one.broken]
    for criterion in dict.fromkeys(what.criterion for _, what in broken):
        first, *more = [(one, what) for one, what in broken if what.criterion == criterion]
        asked = [
            one
            for one in exchanges
            if criterion in (one.stale, RIGHT) or (one.broken and one.broken.criterion == criterion)
        ]
        counted = f"{1 + len(more)} of {len(asked)} answers in a real minute without the probe"
        yield Broken(criterion, f"{counted}, first: {first[1].message} ({first[0].told()})")


def unlogged(exchanges: Sequence[Exchange], logs: Sequence[str]) -> dict[tuple[int, str, str], int]:
    """How many lines are missing in the log of a process, by process, method and path."""
    wanted = Counter((one.process, one.method, one.path) for one in exchanges if is_plain(one.path))
    lines = [log.splitlines() for log in logs]
    found = {key: count - len(lines_about(Request(*key[1:]), lines[key[0]])) for key, count in wanted.items()}
    return {key: missing for key, missing in found.items() if missing > 0}


def log_findings(exchanges: Sequence[Exchange], logs: Sequence[str]) -> Iterator[Broken]:
    """R16.1: how many of all requests have no line, and one of them."""
    if missing := unlogged(exchanges, logs):
        key, lines = next(iter(missing.items()))
        alike = [one for one in exchanges if (one.process, one.method, one.path) == key]
        counted = f"{sum(missing.values())} of {len(exchanges)} requests without a line in the log"
        first = f"{lines} of {len(alike)} like {alike[-1].told()}"
        yield Broken(LOGGED, f"{counted}, among them {first}")


def check_statements(calls: int, rolled_back: int, requests: int, where: str) -> tuple[Broken, ...]:
    """No more statements than so many requests may cost, and no more that failed.

    Postgres counts no statement that fails, but every transaction that is not committed.
    """
    if max(calls, rolled_back) < BUDGET * requests:
        return ()
    told = f"{calls} statements and {rolled_back} transactions that were not committed"
    return (Broken(FEW_STATEMENTS, f"{told} for {requests} requests {where}"),)


def check_kept(made_again: int, listings: int, told: str) -> tuple[Broken, ...]:
    """Listings that were made less than a minute ago cost nothing; a few may have come too late."""
    if 2 * made_again < max(listings, 1):
        return ()
    return (Broken(SHARED, f"{made_again} of {listings} listings {told}"),)


def in_one_line(error: Exception) -> str:
    """The beginning and the end of what an error says."""
    first, *more = [line.strip() for line in str(error).splitlines() if line.strip()] or [""]
    return f"{first[:300]} ... {more[-1][:300]}" if more else first[:600]
