"""How the cost of a page grows with the catalog: the curves, the law, and the page after 500 others."""

from dataclasses import dataclass
from math import log10
from typing import Any

from markupsafe import Markup

from evaluation.report import growth as told
from evaluation.report.html.charts import Axis, Series, curves, logarithmic_marks
from evaluation.report.html.names import SIDES


@dataclass(frozen=True, slots=True)
class Listing:
    """The costs of the pages of one listing; `curves` tells the look and the name of each line."""

    name: str
    chart: Markup | None
    curves: dict[str, str]


@dataclass(frozen=True, slots=True)
class Growth:
    """Charts and rows; nothing in them where page costs were not measured."""

    listings: list[Listing]
    header: list[str]
    rows: list[list[str]]
    notes: list[str]
    page_500: list[str]


def growth(report: dict[str, Any]) -> Growth:
    """The page costs of a report."""
    page_500 = told.page_500_lines(report)
    if not told.is_measured(report):
        return Growth([], [], [], [], page_500)
    found = report["growth"]
    names = list(dict.fromkeys(cost["listing"] for side in SIDES for cost in found[side]["pages"]))
    return Growth(
        [listing(found, name) for name in names],
        told.header(found),
        told.rows(found),
        told.notes(found),
        page_500,
    )


def listing(found: dict[str, Any], name: str) -> Listing:
    """One listing: for each side and depth a line through the sizes of the catalog."""
    series: list[Series] = []
    lines: dict[str, str] = {}
    for side, who in SIDES.items():
        costs = [cost for cost in found[side]["pages"] if cost["listing"] == name and cost["buffers"]]
        for number, depth in enumerate(sorted({cost["depth"] for cost in costs})):
            look = f"{side} depth-{number}"
            points = [(log10(cost["products"]), cost["buffers"]) for cost in costs if cost["depth"] == depth]
            series.append(Series(look, sorted(points)))
            lines[look] = f"{who}, at {depth:.0%} of the listing"
    title = name or "all products"
    return Listing(title, drawn(title, told.catalogs(found), series), lines)


def drawn(title: str, catalogs: list[int], series: list[Series]) -> Markup | None:
    """The lines of one listing."""
    if not series:
        return None
    buffers = [y for one in series for _, y in one.values]
    return curves(
        f"{title}: buffers of a page by the size of the catalog; the table below has the figures",
        Axis("products in the catalog", [(log10(size), f"{size:,}") for size in catalogs]),
        Axis("8 kB buffers of one page", logarithmic_marks(buffers, "{:,.0f}".format)),
        series,
    )
