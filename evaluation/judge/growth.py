"""How the cost of a page grows, with the catalog and with the way into it."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import log

from evaluation.records import PageCost

LEAST_POINTS = 3
FLAT, LINEAR, STEEPER = 0.2, 0.8, 1.2
"""Exponents below the first are flat, from the second to the third linear."""
ALIKE = 0.10


@dataclass(frozen=True, slots=True)
class Law:
    """Cost as a power of the products in the catalog, at one depth of a listing."""

    listing: str
    depth: float
    buffers_exponent: float | None
    buffers_law: str
    ms_exponent: float | None
    ms_law: str


@dataclass(frozen=True, slots=True)
class Deepening:
    """A page at a depth against the same listing's shallowest one; alike when within a tenth in buffers."""

    products: int
    listing: str
    depth: float
    buffers_ratio: float
    ms_ratio: float
    is_alike: bool


@dataclass(frozen=True, slots=True)
class Point:
    """A cost that was measured, where it was wanted."""

    products: int
    listing: str
    depth: float
    buffers: float
    ms: float


def points_of(costs: Sequence[PageCost]) -> list[Point]:
    """Those with figures at the depth that was wanted; a page for nothing has no place in a power law."""
    return [
        Point(cost.products, cost.listing, cost.depth, cost.buffers, cost.page_ms)
        for cost in costs
        if cost.trouble is None and cost.buffers and cost.page_ms
    ]


def laws(costs: Sequence[PageCost]) -> tuple[Law, ...]:
    """One for every listing and depth, from the catalogs where that depth was reached."""
    found = []
    for listing, depth in dict.fromkeys((cost.listing, cost.depth) for cost in costs):
        there = [point for point in points_of(costs) if (point.listing, point.depth) == (listing, depth)]
        buffers = exponent([(point.products, point.buffers) for point in there])
        ms = exponent([(point.products, point.ms) for point in there])
        found.append(Law(listing, depth, buffers, law(buffers), ms, law(ms)))
    return tuple(found)


def exponent(costs: Sequence[tuple[int, float]]) -> float | None:
    """Slope of the straight line through the logarithms of products and costs; None from too few."""
    known = [(log(products), log(cost)) for products, cost in costs]
    if len({x for x, _ in known}) < LEAST_POINTS:
        return None
    middle_x = sum(x for x, _ in known) / len(known)
    middle_y = sum(y for _, y in known) / len(known)
    rise = sum((x - middle_x) * (y - middle_y) for x, y in known)
    return round(rise / sum((x - middle_x) ** 2 for x, _ in known), 3)


def law(power: float | None) -> str:
    """`flat`, `between`, `linear`, `more than linear`, or `unknown`."""
    if power is None:
        return "unknown"
    if power < FLAT:
        return "flat"
    if power < LINEAR:
        return "between"
    return "linear" if power <= STEEPER else "more than linear"


def deepenings(costs: Sequence[PageCost]) -> tuple[Deepening, ...]:
    """Every depth but the shallowest, of every listing of every catalog."""
    points = points_of(costs)
    shallowest = min((cost.depth for cost in costs), default=0.0)
    start = {(point.products, point.listing): point for point in points if point.depth == shallowest}
    return tuple(
        deepening(start[point.products, point.listing], point)
        for point in points
        if point.depth > shallowest and (point.products, point.listing) in start
    )


def deepening(shallow: Point, deep: Point) -> Deepening:
    """One page against another of the same listing."""
    buffers, ms = deep.buffers / shallow.buffers, deep.ms / shallow.ms
    alike = abs(buffers - 1) <= ALIKE
    return Deepening(deep.products, deep.listing, deep.depth, round(buffers, 3), round(ms, 3), alike)
