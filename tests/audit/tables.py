"""What the tables of one stage say an answer must be, and for how long an older answer may be given."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import psycopg

from evaluation.database.expected import PRODUCT

LIFETIME_S = 60
SLACK_S = 2
MOST_ITEMS = 100
BRIEFLY = "-c lock_timeout=300ms -c statement_timeout=5s"
KNOWN_PARAMETERS = {"limit", "category_id", "is_active"}


@dataclass(frozen=True, slots=True)
class Listing:
    """Products behind one id: which, how many, and in which order (of id)."""

    limit: int = 20
    category_id: int | None = None
    is_active: bool = True
    behind: int = 0

    def condition(self) -> str:
        """The SQL that chooses the whole listing, on all its pages."""
        category = "" if self.category_id is None else f" and category_id = {self.category_id}"
        return f"{'' if self.is_active else 'not '}is_active{category}"


@dataclass(slots=True)
class Tables:
    """One database as the auditor sees it: rows, changes, writes, and pages that a `next` has pointed to."""

    admin_url: str
    changed_at_s: float = float("-inf")
    written_at_s: dict[str, float] = field(default_factory=dict)
    writes: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)
    under_way: int = 0
    wrote_until_s: float = float("-inf")
    pages: dict[str, Listing] = field(default_factory=dict)
    is_modelled: bool = False
    connection: psycopg.Connection | None = None
    compared: set[tuple[str, bytes]] = field(default_factory=set)
    known: dict[str, list[tuple[Any, ...]]] = field(default_factory=dict)

    def now_s(self) -> float:
        """Real time: a candidate whose clock cannot be moved has a real minute."""
        return time.monotonic()

    def note_change(self) -> None:
        """Rows were changed behind the API."""
        self.changed_at_s = self.now_s()
        self.known.clear()
        self.compared.clear()

    def note_writes(self, server: str, number: int) -> None:
        """So many writes were sent through one server process."""
        self.known.clear()
        self.compared.clear()
        self.written_at_s[server] = self.now_s()
        self.writes += number

    @contextmanager
    def writing(self) -> Iterator[None]:
        """While writes are under way: who reads meanwhile may see them or not."""
        with self.lock:
            self.under_way += 1
        try:
            yield
        finally:
            with self.lock:
                self.under_way -= 1
                self.wrote_until_s = time.perf_counter()

    def were_written_since(self, started_s: float) -> bool:
        """Whether a write was under way at this time (of `time.perf_counter`) or later."""
        with self.lock:
            return self.under_way > 0 or self.wrote_until_s > started_s

    def may_be_stale(self) -> bool:
        """Whether an answer from before a change behind the API is still allowed."""
        return self.now_s() - self.changed_at_s < LIFETIME_S + SLACK_S

    def was_written(self, *, by: str | None = None, by_others: str | None = None) -> bool:
        """Whether a write of the last minute went through this server, or through any other one."""
        recent = {name for name, at in self.written_at_s.items() if self.now_s() - at < LIFETIME_S + SLACK_S}
        return by in recent if by else bool(recent - {by_others})

    def listing(self, target: str) -> Listing | None:
        """The listing that a target asks for; None when it asks for something else or in words of its own."""
        if target in self.pages:
            return self.pages[target]
        parts = urlsplit(target)
        query = parse_qsl(parts.query, keep_blank_values=True)
        if parts.path != "/products" or {name for name, _ in query} - KNOWN_PARAMETERS:
            return None
        values = dict(query)
        if len(values) != len(query):
            return None
        try:
            category = int(values["category_id"]) if "category_id" in values else None
            limit = int(values.get("limit", "20"))
            active = {"true": True, "false": False}[values.get("is_active", "true")]
        except (ValueError, KeyError):
            return None
        valid = 1 <= limit <= MOST_ITEMS and (category is None or 1 <= category < 2**31)
        return Listing(limit, category, active) if valid else None

    def query(self, sql: str) -> list[tuple[Any, ...]] | None:
        """Rows; None while somebody holds the tables, or when they are not what they were."""
        if sql in self.known:
            return self.known[sql]
        if self.connection is None or self.connection.closed:
            self.connection = psycopg.connect(self.admin_url, autocommit=True, options=BRIEFLY)
        try:
            self.known[sql] = self.connection.execute(sql.encode()).fetchall()
            return self.known[sql]
        except psycopg.Error:
            self.connection.close()
            return None

    def products(self, rest: str) -> list[dict[str, Any]] | None:
        """Products in the shape of the API."""
        rows = self.query(f"{PRODUCT} {rest}")
        return None if rows is None else [row[0] for row in rows]

    def page(self, listing: Listing) -> list[dict[str, Any]] | None:
        """The products of a page and the one behind them, if there is one."""
        condition = f"{listing.condition()} and id > {listing.behind}"
        return self.products(f"where {condition} order by id limit {listing.limit + 1}")

    def total(self, listing: Listing) -> int | None:
        """How many products all pages of a listing hold."""
        rows = self.query(f"select count(*) from products where {listing.condition()}")
        return rows[0][0] if rows else None

    def batch(self, ids: list[int]) -> list[dict[str, Any]] | None:
        """Products in the order asked."""
        wanted = (
            f"join unnest(array{ids}::int[]) with ordinality as wanted (id, place) using (id) order by place"
        )
        return self.products(wanted)

    def categories(self) -> list[dict[str, Any]] | None:
        """All categories."""
        rows = self.query(
            "select json_build_object('id', id, 'name', name, 'description', description) "
            "from categories order by id"
        )
        return None if rows is None else [row[0] for row in rows]

    def close(self) -> None:
        """Hang up."""
        if self.connection is not None:
            self.connection.close()
