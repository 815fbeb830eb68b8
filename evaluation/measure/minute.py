"""What the clients of a real minute do: they ask two processes, write, and note what is wrong."""

import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from random import Random, sample
from threading import Event
from urllib.parse import urlsplit

import psycopg

from evaluation.database.counters import Counters
from evaluation.database.expected import difference, expected_products
from evaluation.errors import CandidateError, InfrastructureError
from evaluation.measure.exchanges import (
    LINKED,
    RIGHT,
    SEEN_AT_ONCE,
    Exchange,
    Rows,
    Wanted,
    content_of,
    in_one_line,
    items_of,
    what_is_broken,
)
from evaluation.records import Broken
from evaluation.serving.clients import BROWSERS, drawn
from evaluation.serving.connection import Answer, AnswerError, Connection
from evaluation.serving.server import Server
from evaluation.serving.workbench import Stage

NOT_NEAR, DEEPEST, LONG_PAGE, WALKING_S = 4, 20, 100, 2.5
"""How many long pages may come before one that is kept, and how long the walk to it may take."""
PREPARING_S = 5.0
"""No request is begun later than this before the change: slow is judged elsewhere."""
HOST = "catalog.example"
CATEGORIES = 41
UNSOLD, UNSOLD_ROWS = "/products?is_active=false", "where not is_active order by id"
"""Listings whose rows nobody changes in the minute."""
TAKEN_BEHIND = 2_000
"""Products up to this id stay where they are, for other listings show them."""
SHARED_LISTINGS, STORED_S = 6, 0.3
"""How many listings one process takes from another, and how long it takes at most to store them."""
SILENT_S = 12.0
"""On a busy machine, the baseline needs seconds for a page."""
PATIENT = "options=-c%20statement_timeout%3D5s"
"""For our own connections: a candidate that holds locks loses its own run and cannot block the harness."""


@dataclass(frozen=True, slots=True)
class Listing:
    """A listing that is asked for, and the SQL that selects its products."""

    target: str
    rest: str


@dataclass(slots=True)
class Spending:
    """Statements of the candidate, and transactions that were not committed, in some time."""

    calls: int = 0
    rolled_back: int = 0


@dataclass(slots=True)
class Minute:
    """Two processes on one stage, what was asked of them, and when rows were changed behind the API."""

    stage: Stage
    servers: tuple[Server, ...]
    random: Random
    categories: list[int]
    interrupted: Event
    exchanges: list[Exchange]
    counters: Counters
    started_s: float = field(default_factory=time.monotonic)
    changed_s: float | None = None
    tags: dict[str, str] = field(default_factory=dict)
    limits: list[int] = field(default_factory=lambda: sample(range(10, 40), 2 * SHARED_LISTINGS + 2))
    hits: int = 0
    popular: Spending = field(default_factory=Spending)

    def when(self) -> str:
        """The time, as a message tells it."""
        if self.changed_s is None:
            return "before any change behind the API"
        return f"{time.monotonic() - self.changed_s:.1f} s after a change behind the API"

    @contextmanager
    def spending(self) -> Iterator[Spending]:
        """What the candidate spends until the block ends."""
        found = Spending()
        before, rolled_back = self.counters.snapshot(), self.counters.rolled_back()
        yield found
        done = self.counters.since(before)
        found.calls = sum(work.calls for work in done) - self.counters.session(done)
        found.rolled_back = self.counters.rolled_back() - rolled_back

    def sleep_until(self, moment_s: float) -> None:
        """Wait, unless the evaluation is interrupted."""
        sleep(moment_s - time.monotonic(), self.interrupted)

    def rows(self, rest: str) -> Rows:
        """Products as the tables have them."""
        if found := expected_products(self.our_url(), rest):
            return found
        raise CandidateError(f"rows are missing in its tables: products {rest}")

    def our_url(self) -> str:
        """Our login, with patience that ends."""
        url = self.stage.admin_url
        return f"{url}{'&' if '?' in url else '?'}{PATIENT}"

    def listings(self) -> list[Listing]:
        """A first page and one of a category; what follows the first, as its `next` says; and a far page."""
        limit, category = self.random.randint(4, 8), self.categories.pop()
        first = Listing(f"/products?limit={limit}", f"where is_active order by id limit {limit}")
        rest = f"where is_active and category_id = {category} order by id limit 9"
        answer = self.ask(0, first.target, self.unchanged(first))
        link = content_of(answer.body()).get("next")
        found = [first, Listing(f"/products?limit=9&category_id={category}", rest), self.far_page()]
        if isinstance(link, str):
            return [*found, Listing(relative(link), f"{first.rest} offset {limit}")]
        broken = Broken(LINKED, f"next is {link!r:.80} though products follow")
        self.exchanges[-1] = replace(self.exchanges[-1], broken=self.exchanges[-1].broken or broken)
        return found

    def far_page(self) -> Listing:
        """A page of a long walk through a category, as far as there is time to walk."""
        category = self.categories.pop()
        rest = f"where is_active and category_id = {category} order by id limit {LONG_PAGE}"
        listing = Listing(f"/products?limit={LONG_PAGE}&category_id={category}", rest)
        is_early = until(time.monotonic() + WALKING_S)
        for number in range(1, self.random.randint(NOT_NEAR, DEEPEST) + 1):
            if not is_early():
                break
            answer = self.ask(0, listing.target, self.unchanged(listing))
            link = content_of(answer.body()).get("next")
            if not isinstance(link, str):
                break
            listing = Listing(relative(link), f"{rest} offset {number * LONG_PAGE}")
        return listing

    def unchanged(self, listing: Listing) -> Wanted:
        """What a listing must show that nobody changes."""
        rows = self.rows(listing.rest)
        condition = listing.rest.partition(" order by ")[0]
        with psycopg.connect(self.our_url()) as connection:
            total = connection.execute(f"select count(*) from products {condition}".encode()).fetchone()
        return Wanted(rows, rows, total=total[0] if total else None)

    def share(self, maker: int, taker: int) -> int:
        """How many of some listings that one process has just made cost another one statements."""
        limits = [self.limits.pop() for _ in range(SHARED_LISTINGS)]
        listings = [Listing(f"{UNSOLD}&limit={limit}", f"{UNSOLD_ROWS} limit {limit}") for limit in limits]
        wanted = [self.unchanged(one) for one in listings]
        for listing, its in zip(listings, wanted, strict=True):
            self.ask(maker, listing.target, its)
        sleep(STORED_S, self.interrupted)
        made_again = 0
        for listing, its in zip(listings, wanted, strict=True):
            with self.spending() as spent:
                self.ask(taker, listing.target, its)
            made_again += spent.calls > 0
        return made_again

    def ask(
        self, process: int, target: str, wanted: Wanted, since: str = "", *, tagged: bool = False
    ) -> Answer:
        """GET a listing, as one of the clients would, and note what is wrong with the answer.

        With `tagged`, browsers ask whether what they have still holds.
        """
        client, headers = drawn(self.random)
        if tagged and client in BROWSERS and target in self.tags:
            headers["If-None-Match"] = self.tags[target]
        when = since or self.when()
        answer = self.sent(process, "GET", target, headers)
        broken = what_is_broken(answer.status, answer.body(), wanted)
        self.exchanges.append(Exchange(process, "GET", target, headers, client, when, wanted.stale, broken))
        if self.changed_s is None and is_tag(tag := answer.headers.get("etag", "")):
            self.tags[target] = tag
        return answer

    def sent(
        self, process: int, method: str, target: str, headers: dict[str, str], content: bytes | None = None
    ) -> Answer:
        """Send a request on a connection of its own; CandidateError without a whole answer."""
        server = self.servers[process]
        sleep(0.0, self.interrupted)
        if self.changed_s is None and time.monotonic() > self.started_s + PREPARING_S + SILENT_S:
            raise CandidateError(f"{len(self.exchanges)} answers took {PREPARING_S + SILENT_S:.0f} s")
        with closing(Connection(server.port, SILENT_S)) as connection:
            try:
                # All processes have one name: what one has made may hold whole URLs.
                answer = connection.ask(method, target, {"Host": HOST, **headers}, content)
                answer.body()
            except AnswerError as error:
                told = Exchange(process, method, target, headers, "no answer", self.when()).told()
                raise CandidateError(f"{told}: {in_one_line(server.ended() or error)}") from error
        return answer

    def is_made_again(self, process: int, target: str, wanted: Wanted) -> bool:
        """Ask for a listing that is kept; whether it waits for statements, and so shows what is new.

        One that was refreshed in the background shows what is new as well, and waits for none.
        """
        with self.spending() as spent:
            answer = self.ask(process, target, wanted)
        return spent.calls > 0 and difference(items_of(answer.body()), wanted.new, "items") is None

    def make_popular(self, target: str, seconds: float) -> None:
        """Ask each process for a listing as fast as one client can; what it answers is looked at later."""
        with self.spending() as self.popular:
            for server in self.servers:
                is_time = until(time.monotonic() + seconds)
                with closing(Connection(server.port, SILENT_S)) as connection:
                    try:
                        while is_time() and not self.interrupted.is_set():
                            connection.ask("GET", target, drawn(self.random)[1])
                            self.hits += 1
                    except AnswerError as error:
                        told = f"{target}, asked {self.hits} times: {in_one_line(error)}"
                        raise CandidateError(told) from error

    def write(self, process: int) -> None:
        """Rename a product through one process, which must show it at once in a listing it has kept."""
        category = self.categories.pop()
        listing = Listing(
            f"/products?limit=8&category_id={category}",
            f"where is_active and category_id = {category} order by id limit 8",
        )
        before = self.rows(listing.rest)
        for _ in range(2):
            self.ask(process, listing.target, Wanted(before, before))
        product, name = self.random.choice(before)["id"], self.new_name()
        self.put(process, f"/products/{product}", name)
        after = [{**row, "name": name} if row["id"] == product else row for row in before]
        self.ask(
            process,
            listing.target,
            Wanted(after, before, SEEN_AT_ONCE),
            f"right after PUT /products/{product}",
        )

    def put(self, process: int, target: str, name: str) -> None:
        """Rename a product through the API."""
        client, headers = drawn(self.random)
        headers["Content-Type"] = "application/json"
        when, content = self.when(), json.dumps({"name": name}).encode()
        answer = self.sent(process, "PUT", target, headers, content)
        broken = None if answer.status == 200 else Broken(RIGHT, f"status {answer.status}")
        self.exchanges.append(Exchange(process, "PUT", target, headers, client, when, broken=broken))

    def rename(self, rows: Rows) -> None:
        """Rename products behind the API, and note the time."""
        names = [(self.new_name(), row["id"]) for row in rows]
        with psycopg.connect(self.our_url()) as connection, connection.cursor() as cursor:
            cursor.executemany("update products set name = %s where id = %s", names)
        self.changed_s = time.monotonic()

    def take_off(self, shelf: Listing) -> None:
        """Take half of the products of a category off its shelf, behind those that listings show."""
        category = int(shelf.target.rpartition("=")[2])
        chosen = "is_active and category_id = %s and id > %s and id %% 2 = 0"
        with psycopg.connect(self.our_url()) as connection:
            connection.execute(
                f"update products set is_active = false where {chosen}".encode(), (category, TAKEN_BEHIND)
            )
            connection.execute("analyze products")  # as autovacuum would: a total may be an estimate

    def told_total(self, process: int, shelf: Listing) -> None:
        """Ask for a page of a category that nobody asked for, whose total has to be made anew."""
        limit = self.limits.pop()
        target = re.sub(r"limit=\d+", f"limit={limit}", shelf.target)
        rest = re.sub(r"limit \d+", f"limit {limit}", shelf.rest)
        self.ask(process, target, self.unchanged(Listing(target, rest)))

    def new_name(self) -> str:
        """A name that no product has."""
        return f"Renamed {self.random.getrandbits(48):012x}"


def until(moment_s: float) -> Callable[[], bool]:
    """A function that says whether it is still before a moment."""
    return lambda: time.monotonic() < moment_s


def sleep(seconds: float, interrupted: Event) -> None:
    """Sleep; InfrastructureError as soon as the evaluation is interrupted."""
    if interrupted.wait(max(0.0, seconds)):
        raise InfrastructureError("the evaluation was interrupted")


def relative(link: str) -> str:
    """Path and query of a link."""
    parts = urlsplit(link)
    return f"{parts.path}?{parts.query}" if parts.query else parts.path


def is_tag(found: str) -> bool:
    """Whether this can be sent back as a tag."""
    return bool(found) and found.isascii() and found.isprintable()
