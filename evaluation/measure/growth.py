"""Measures the cost of pages by their depth in a listing and by the size of the catalog."""

import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from evaluation.database.counters import Counters
from evaluation.database.dataset import SIZES
from evaluation.errors import CandidateError
from evaluation.measure.counting import COUNT, measure_full_count
from evaluation.measure.settings import Progress
from evaluation.measure.walks import PAGE_SIZE, Listing, Place, Tables, Walker, read_page
from evaluation.records import CountCost, PageCost
from evaluation.serving.server import Server
from evaluation.serving.workbench import Stage, Workbench

CATALOGS = tuple(SIZES[name] for name in ("tenth", "standard", "large"))
LISTINGS = (
    Listing("", "is_active"),
    Listing("category_id=11", "is_active and category_id = 11"),
    Listing("is_active=false", "not is_active"),
)
DEPTHS = (0.01, 0.50, 0.99)
PAGES = 3
"""The pages of a window: the first, which may include work done once a minute, and those that count."""
PAGE_500 = 500 * PAGE_SIZE
"""How many products stand before the page that follows 500 others."""
WINDOW_LIMIT_S = 20.0
CATALOG_LIMIT_S = 300.0


@dataclass(frozen=True, slots=True)
class Spent:
    """The cost of one page."""

    statements: int
    rows: int
    buffers: int
    ms: float
    counting: int


@dataclass(frozen=True, slots=True)
class Subject:
    """A served candidate and one of its listings."""

    server: Server
    counters: Counters
    tables: Tables
    products: int
    listing: Listing


@dataclass(frozen=True, slots=True)
class Growth:
    """The cost of pages and of full counts in catalogs of several sizes."""

    pages: tuple[PageCost, ...] = ()
    counts: tuple[CountCost, ...] = ()


def measure_growth(
    bench: Workbench, candidate: Path, progress: Progress, catalogs: Sequence[int] = CATALOGS
) -> Growth:
    """Measure every listing at every depth in every catalog, each catalog on a server of its own."""
    found = [measure_catalog(bench, candidate, products, progress) for products in catalogs]
    pages = tuple(cost for one in found for cost in one.pages)
    return Growth(pages, tuple(count for one in found for count in one.counts))


def measure_catalog(bench: Workbench, candidate: Path, products: int, progress: Progress) -> Growth:
    """Measure every listing at every depth of one catalog, within CATALOG_LIMIT_S, then a full count."""
    pages: list[PageCost] = []
    deadline = time.monotonic() + CATALOG_LIMIT_S
    with (
        bench.stage(products) as stage,
        stage.serving(candidate) as server,
        closing(stage.counters()) as counters,
    ):
        for listing in LISTINGS:
            subject = Subject(server, counters, Tables(stage.admin_url, listing), products, listing)
            costs = list(measure_listing(subject, deadline))
            progress(f"{candidate.name}: {products:,} products, {listing.query or 'all'}: {described(costs)}")
            pages += costs
        return Growth(tuple(pages), (measure_full_count(stage.admin_url, products),))


def measure_page_500(
    stage: Stage, candidate: Path, products: int, skipped: int = PAGE_500
) -> PageCost | None:
    """Measure the page after `skipped` products in the listing of all; None where there are too few."""
    listing = LISTINGS[0]
    tables = Tables(stage.admin_url, listing)
    listed = tables.products()
    if listed < skipped + PAGES * PAGE_SIZE:
        return None
    with stage.serving(candidate) as server, closing(stage.counters()) as counters:
        subject = Subject(server, counters, tables, products, listing)
        depth, place = round(skipped / listed, 4), Place("", skipped, jumped=False)
        try:
            place = Walker(server, listing, tables).place_behind(skipped)
            pages = list(measure_pages(subject, place))
            return cost_of(subject, depth, listed, place, pages, missed(place, skipped))
        except CandidateError as error:
            return cost_of(subject, depth, listed, place, [], str(error))


def missed(place: Place, skipped: int) -> str | None:
    """How far a walk led that did not reach its place; None when it did."""
    return None if place.skipped == skipped else f"the walk ended after {place.skipped:,} products"


def measure_listing(subject: Subject, deadline: float) -> Iterator[PageCost]:
    """Measure one listing from the shallowest depth on; a page that breaks the contract has no figures."""
    listed = subject.tables.products()
    walker: Walker | None = None
    first_unread = 0
    for depth, skipped in zip(DEPTHS, places(listed), strict=True):
        place = Place("", skipped, jumped=False)
        try:
            if time.monotonic() > deadline:
                raise CandidateError(f"the time for one catalog ({CATALOG_LIMIT_S:.0f} s) is over")
            walker = walker or Walker(subject.server, subject.listing, subject.tables)
            place = walker.place_behind(skipped)
            if place.skipped < first_unread:
                raise CandidateError("every page that could be reached was already read")
            first_unread = place.skipped + PAGES * PAGE_SIZE
            pages = list(measure_pages(subject, place))
            yield cost_of(subject, depth, listed, place, pages, missed(place, skipped))
        except CandidateError as error:
            yield cost_of(subject, depth, listed, place, [], str(error))


def places(listed: int) -> list[int]:
    """How many products to skip for every depth: windows hold whole pages and do not overlap."""
    whole = listed // PAGE_SIZE
    last = [whole - PAGES * count for count in range(len(DEPTHS), 0, -1)]
    return [PAGE_SIZE * max(0, min(int(depth * whole), end)) for depth, end in zip(DEPTHS, last, strict=True)]


def measure_pages(subject: Subject, place: Place) -> Iterator[Spent]:
    """Read a window of pages by following `next`; CandidateError when the products are not the right ones."""
    expected = subject.tables.ids(place.skipped, PAGES * PAGE_SIZE)
    path: str | None = place.path
    started = time.monotonic()
    for number in range(PAGES):
        if path is None or (number > 1 and time.monotonic() - started > WINDOW_LIMIT_S):
            return
        before = subject.counters.snapshot()
        page = read_page(subject.server, path)
        spent = subject.counters.since(before)
        if page.ids != expected[number * PAGE_SIZE :][:PAGE_SIZE]:
            raise CandidateError(
                f"GET {path}: not the products that follow {place.skipped} others and {number} pages"
            )
        yield Spent(
            sum(work.calls for work in spent),
            sum(work.rows for work in spent),
            sum(work.buffers for work in spent),
            page.ms,
            sum(work.calls for work in spent if COUNT.match(work.sql)),
        )
        path = page.next


def cost_of(
    subject: Subject, depth: float, listed: int, place: Place, pages: list[Spent], failure: str | None = None
) -> PageCost:
    """The record of a window; its first page is recorded apart."""
    followers = pages[1:]

    def median(name: str) -> float | None:
        values = [getattr(page, name) for page in followers]
        return round(statistics.median(values), 2) if values else None

    return PageCost(
        products=subject.products,
        listing=subject.listing.query,
        depth=depth,
        skipped=place.skipped,
        listed=listed,
        jumped=place.jumped,
        pages=len(followers),
        statements=median("statements"),
        rows=median("rows"),
        buffers=median("buffers"),
        page_ms=median("ms"),
        first_page_buffers=pages[0].buffers if pages else None,
        first_page_ms=round(pages[0].ms, 2) if pages else None,
        trouble=failure,
        counting=median("counting"),
    )


def described(costs: Sequence[PageCost]) -> str:
    """One line with the buffers and ms of every depth."""
    return ", ".join(
        f"{cost.depth:.0%} {cost.trouble}"
        if cost.buffers is None
        else f"{cost.depth:.0%} {cost.buffers:,.0f} buffers {cost.page_ms:,.1f} ms"
        for cost in costs
    )
