"""Reaches far pages of a listing: by a jump where `next` is readable, otherwise by a walk."""

import json
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode, urlsplit

import psycopg

from evaluation.errors import CandidateError
from evaluation.measure.work import fetch
from evaluation.serving.server import Server

PAGE_SIZE = 20
FIRST_STEPS = 8
"""More than five executions: after that, Postgres and its drivers keep to their choice of plan."""
WALK_LIMIT_S = 30.0


@dataclass(frozen=True, slots=True)
class Listing:
    """A listing: its query, and the SQL condition that selects its products."""

    query: str
    condition: str

    def path(self, limit: int) -> str:
        """The path of the first page."""
        return f"/products?{'&'.join(filter(None, (f'limit={limit}', self.query)))}"


@dataclass(frozen=True, slots=True)
class Page:
    """One page as it was answered: the ids in order, `next`, and the time as the client saw it."""

    ids: tuple[int, ...]
    next: str | None
    ms: float


@dataclass(frozen=True, slots=True)
class Step:
    """A page at the start of a walk: the number of products seen so far, the last id, and `next`."""

    seen: int
    last_id: int
    next: str


@dataclass(frozen=True, slots=True)
class Parameter:
    """The parameter of `next` that holds the position: the number of products seen, or the last id."""

    name: str
    is_key: bool


@dataclass(frozen=True, slots=True)
class Place:
    """A page that follows `skipped` products, and whether it was reached by a jump."""

    path: str
    skipped: int
    jumped: bool


class Tables:
    """The products of a listing, read from the tables."""

    def __init__(self, admin_url: str, listing: Listing) -> None:
        self.admin_url = admin_url
        self.condition = listing.condition

    def products(self) -> int:
        """The number of products."""
        return self._numbers("select count(*) from products where {}")[0]

    def ids(self, skipped: int, count: int) -> tuple[int, ...]:
        """The ids of `count` products that follow `skipped` others."""
        rest = f"order by id offset {skipped} limit {count}"
        return self._numbers(f"select id from products where {{}} {rest}")

    def _numbers(self, query: str) -> tuple[int, ...]:
        with psycopg.connect(self.admin_url) as connection:
            return tuple(row[0] for row in connection.execute(query.format(self.condition).encode()))


class Walker:
    """Finds pages of one listing; each page must be farther than the last."""

    def __init__(self, server: Server, listing: Listing, tables: Tables) -> None:
        self.server = server
        self.tables = tables
        self.steps = first_steps(server, listing.path(1))
        self.here = Place(listing.path(PAGE_SIZE), 0, jumped=False)

    def place_behind(self, skipped: int) -> Place:
        """The page that follows `skipped` products, or the farthest page before it that a walk reached."""
        return self._jump(skipped) or self._walk(skipped)

    def _jump(self, skipped: int) -> Place | None:
        """Jump with a forged `next`; None when `next` is unreadable, or when the jump does not work."""
        parameter = parameter_of(self.steps)
        if parameter is None or skipped == 0:
            return None
        last_id, expected = self.tables.ids(skipped - 1, 2)
        path = self.steps[-1].next
        path = with_query(path, {parameter.name: last_id if parameter.is_key else skipped})
        with suppress(CandidateError):
            if read_page(self.server, path).ids == (expected,):
                return Place(with_query(path, {"limit": PAGE_SIZE}), skipped, jumped=True)
        return None

    def _walk(self, skipped: int) -> Place:
        """Follow `next` from where the last walk ended, within WALK_LIMIT_S."""
        deadline = time.monotonic() + WALK_LIMIT_S
        while self.here.skipped + PAGE_SIZE <= skipped and time.monotonic() < deadline:
            page = read_page(self.server, self.here.path)
            if page.next is None:
                break
            self.here = Place(page.next, self.here.skipped + len(page.ids), jumped=False)
        return self.here


def first_steps(server: Server, path: str) -> list[Step]:
    """The first steps of a walk with one product a page; they also warm the server."""
    steps: list[Step] = []
    while len(steps) < FIRST_STEPS:
        page = read_page(server, path)
        if page.next is None or not page.ids:
            break
        path = page.next
        steps.append(Step(len(steps) + 1, page.ids[-1], path))
    return steps


def parameter_of(steps: Sequence[Step]) -> Parameter | None:
    """The parameter that holds the position in every step; None when there is none."""
    queries = [dict(parse_qsl(urlsplit(step.next).query)) for step in steps]
    if len(steps) < 2:
        return None
    for name in queries[0]:
        values = [query.get(name) for query in queries]
        if values == [str(step.seen) for step in steps]:
            return Parameter(name, is_key=False)
        if values == [str(step.last_id) for step in steps]:
            return Parameter(name, is_key=True)
    return None


def with_query(path: str, values: dict[str, int]) -> str:
    """The path with some values of its query replaced."""
    parts = urlsplit(path)
    changed = {name: str(value) for name, value in values.items()}
    return parts._replace(query=urlencode(dict(parse_qsl(parts.query)) | changed)).geturl()


def read_page(server: Server, path: str) -> Page:
    """Read one page of a listing; CandidateError when that fails."""
    started = time.perf_counter()
    status, _, body = fetch(server, path)
    ms = 1000 * (time.perf_counter() - started)
    if status != 200:
        raise CandidateError(f"GET {path}: {status}")
    try:
        answer = json.loads(body)
        following = answer["next"]
        return Page(tuple(int(item["id"]) for item in answer["items"]), following and str(following), ms)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise CandidateError(f"GET {path}: the body is not a page of a listing") from error
