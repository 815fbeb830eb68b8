"""How Postgres ran the statements of single requests, baseline and candidate side by side."""

from dataclasses import dataclass
from typing import Any

from evaluation.report.html.extent import Extent, first
from evaluation.report.html.names import SIDES, request
from evaluation.report.work import changed_reads


@dataclass(frozen=True, slots=True)
class Read:
    """How a table was read for one request, before and after."""

    request: str
    table: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement, how often it was sent for the request, and its first plan."""

    sql: str
    times: int
    buffers: int
    nodes: str


@dataclass(frozen=True, slots=True)
class Request:
    """The statements of a request, by the name of the side."""

    name: str
    sides: dict[str, list[Statement]]


@dataclass(frozen=True, slots=True)
class Plans:
    """All that was seen of plans; an older report has no statements."""

    reads: list[Read]
    requests: list[Request]


def plans(report: dict[str, Any], extent: Extent) -> Plans:
    """The plans of a report."""
    work = report["work"]
    names = [name for name in work["before"] if any(work[side].get(name, {}).get("plans") for side in SIDES)]
    return Plans(
        first((Read(request(row[0]), *row[1:]) for row in changed_reads(work)), extent),
        [Request(request(name), statements(work, name, extent)) for name in names],
    )


def statements(work: dict[str, Any], name: str, extent: Extent) -> dict[str, list[Statement]]:
    """The statements of one request on each side."""
    return {
        who: [
            Statement(one["sql"], one["times"], one["buffers"], "\n".join(one["nodes"]))
            for one in first(work[side].get(name, {}).get("plans", ()), extent)
        ]
        for side, who in SIDES.items()
    }
