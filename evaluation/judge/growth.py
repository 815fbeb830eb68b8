"""How the cost of a page grows with the size of the catalog and with the depth of the page."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import log

from evaluation.records import PageCost

LEAST_POINTS = 3
FLAT, LINEAR, STEEPER = 0.2, 0.8, 1.2
"""Exponents below FLAT are flat, those from LINEAR to STEEPER linear."""
ALIKE = 0.10
"""The largest difference in buffers, as a share, between pages that count as alike."""


@dataclass(frozen=True, slots=True)
class Law:
    """The cost of a page as a power of the number of products, at one depth of a listing."""

    listing: str
    depth: float
    buffers_exponent: float | None
    buffers_law: str
    ms_exponent: float | None
    ms_law: str


@dataclass(frozen=True, slots=True)
class Deepening:
    """A page at a depth, compared with the shallowest page of the same listing."""

    products: int
    listing: str
    depth: float
    buffers_ratio: float
    ms_ratio: float
    is_alike: bool


@dataclass(frozen=True, slots=True)
class Point:
    """A cost that was measured at the requested depth."""

    products: int
    listing: str
    depth: float
    buffers: float
    ms: float


def points_of(costs: Sequence[PageCost]) -> list[Point]:
    """The costs that were measured at the requested depth; zero costs have no logarithm and are left out."""
    return [
        Point(cost.products, cost.listing, cost.depth, cost.buffers, cost.page_ms)
        for cost in costs
        if cost.trouble is None and cost.buffers and cost.page_ms
    ]


def laws(costs: Sequence[PageCost]) -> tuple[Law, ...]:
    """One law for every listing and depth, from the catalogs in which that depth was reached."""
    found = []
    for listing, depth in dict.fromkeys((cost.listing, cost.depth) for cost in costs):
        points = [point for point in points_of(costs) if (point.listing, point.depth) == (listing, depth)]
        buffers = exponent([(point.products, point.buffers) for point in points])
        ms = exponent([(point.products, point.ms) for point in points])
        found.append(Law(listing, depth, buffers, law(buffers), ms, law(ms)))
    return tuple(found)


def exponent(costs: Sequence[tuple[int, float]]) -> float | None:
    """The slope of the line through the logarithms of products and costs; None from too few catalogs."""
    logarithms = [(log(products), log(cost)) for products, cost in costs]
    if len({x for x, _ in logarithms}) < LEAST_POINTS:
        return None
    mean_x = sum(x for x, _ in logarithms) / len(logarithms)
    mean_y = sum(y for _, y in logarithms) / len(logarithms)
    covariance = sum((x - mean_x) * (y - mean_y) for x, y in logarithms)
    return round(covariance / sum((x - mean_x) ** 2 for x, _ in logarithms), 3)


def law(power: float | None) -> str:
    """The name of an exponent: `flat`, `between`, `linear`, `more than linear` or `unknown`."""
    if power is None:
        return "unknown"
    if power < FLAT:
        return "flat"
    if power < LINEAR:
        return "between"
    return "linear" if power <= STEEPER else "more than linear"


def deepenings(costs: Sequence[PageCost]) -> tuple[Deepening, ...]:
    """Compare the pages at every other depth with the shallowest, for every listing and catalog."""
    points = points_of(costs)
    shallowest = min((cost.depth for cost in costs), default=0.0)
    first = {(point.products, point.listing): point for point in points if point.depth == shallowest}
    return tuple(
        deepening(first[point.products, point.listing], point)
        for point in points
        if point.depth > shallowest and (point.products, point.listing) in first
    )


def deepening(shallow: Point, deep: Point) -> Deepening:
    """Compare a page with the shallowest page of the same listing."""
    buffers, ms = deep.buffers / shallow.buffers, deep.ms / shallow.ms
    alike = abs(buffers - 1) <= ALIKE
    return Deepening(deep.products, deep.listing, deep.depth, round(buffers, 3), round(ms, 3), alike)
