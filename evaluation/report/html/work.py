"""What single requests cost: statements and bytes as bars, and all counters as a table."""

from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from evaluation.report.html.charts import Series, bars
from evaluation.report.html.names import SIDES, request
from evaluation.report.work import saved


@dataclass(frozen=True, slots=True)
class Cost:
    """The counters of one request on one side."""

    request: str
    side: str
    status: int
    statements: int
    rows: int
    buffers: int
    body_kb: str
    wire_kb: str
    saved: str


@dataclass(frozen=True, slots=True)
class Work:
    """The costs of all requests; no charts where a side was not measured."""

    statements: Markup | None
    kilobytes: Markup | None
    costs: list[Cost]


def work(report: dict[str, Any]) -> Work:
    """The costs of single requests."""
    found = report["work"]
    names = [name for name in found["before"] if name in found["after"]]
    costs = [
        cost(name, side, found[side][name])
        for name in found["before"]
        for side in SIDES
        if name in found[side]
    ]
    if not names:
        return Work(None, None, costs)
    return Work(
        chart(
            "SQL statements of each request, before and after", found, names, "statements_server", "{:,.0f}"
        ),
        chart(
            "kilobytes on the wire of each request, before and after",
            found,
            names,
            "wire_bytes",
            "{:,.1f} KB",
        ),
        costs,
    )


def chart(alt: str, found: dict[str, Any], names: list[str], figure: str, words: str) -> Markup:
    """One figure of each request as bars; bytes are told in kilobytes."""
    unit = 1000 if figure.endswith("_bytes") else 1
    series = [Series(side, [found[side][name][figure] / unit for name in names]) for side in SIDES]
    return bars(alt, [request(name) for name in names], series, words.format)


def cost(name: str, side: str, sample: dict[str, Any]) -> Cost:
    """The counters of a request as a row."""
    return Cost(
        request(name),
        SIDES[side],
        sample["status"],
        sample["statements_server"],
        sample["rows"],
        sample["buffers"],
        f"{sample['body_bytes'] / 1000:,.1f}",
        f"{sample['wire_bytes'] / 1000:,.1f}",
        saved(sample),
    )
