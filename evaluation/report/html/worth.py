"""What a requirement was measured to be worth: its figures before and after, in a few words."""

from collections.abc import Callable
from typing import Any

from evaluation.report.html import summary
from evaluation.report.html.names import SIDES, request

Told = str | None
"""Figures in words; None where a report has none."""


def worth(report: dict[str, Any], requirement: str) -> list[str]:
    """What was measured for a requirement: its own figures, where there are some, and its tests."""
    found = [figure(report) for figure in FIGURES.get(requirement, ())]
    return [line for line in (*found, tests(report, requirement)) if line]


def tests(report: dict[str, Any], requirement: str) -> Told:
    """How many specified tests of a requirement did not pass on either side."""
    counts = {}
    for side in SIDES:
        rows = [
            one
            for one in report["results"][side]["tests"]
            if one["requirement"] == requirement and one.get("level", "specified") == "specified"
        ]
        counts[side] = (sum(one["outcome"] != "passed" for one in rows), len(rows))
    if not counts["before"][1]:
        return None
    return f"tests that fail: {counts['before'][0]} → {counts['after'][0]} of {counts['after'][1]}"


def timed(report: dict[str, Any]) -> Told:
    """P95 under load, or the CPU time of a warm answer."""
    found = summary.answers_in_time(report)
    return f"{found.told}: {found.before} → {found.after} {found.unit}".rstrip()


def statements(name: str, words: str) -> Callable[[dict[str, Any]], Told]:
    """The statements of a request."""
    return lambda report: change(report, name, words, lambda one: f"{one['statements_server']:,}")


def kilobytes(name: str, words: str) -> Callable[[dict[str, Any]], Told]:
    """The bytes of an answer on the wire."""
    return lambda report: change(report, name, words, lambda one: f"{one['wire_bytes'] / 1000:,.1f} KB")


def scans(name: str, table: str) -> Callable[[dict[str, Any]], Told]:
    """How a table was read for a request."""

    def told(report: dict[str, Any]) -> Told:
        sides = [report["work"][side].get(name, {}).get("reads") for side in SIDES]
        if not all(sides):
            return None
        before, after = (", ".join(one.get(table, ())) or "not read" for one in sides if one is not None)
        return f"{table} ({request(name)}): {before} → {after}"

    return told


def change(report: dict[str, Any], name: str, words: str, told: Callable[[dict[str, Any]], str]) -> Told:
    """A figure of a request before and after."""
    before, after = (report["work"][side].get(name) for side in SIDES)
    return None if before is None or after is None else f"{words}: {told(before)} → {told(after)}"


def page_500(report: dict[str, Any]) -> Told:
    """The page that follows 500 others."""
    before, after = (report.get("page_500", {}).get(side) for side in SIDES)
    if not before or not after or not before["buffers"] or not after["buffers"]:
        return None
    return (
        f"the page after {after['skipped']:,} products: "
        f"{before['buffers']:,.0f} → {after['buffers']:,.0f} buffers, "
        f"{before['page_ms']:,.0f} → {after['page_ms']:,.1f} ms"
    )


def refused(report: dict[str, Any]) -> Told:
    """How many of the clients on one cold page got an answer."""
    samples = [report["load"][side].get("stampede") for side in SIDES]
    if not all(samples):
        return None
    before, after = (answered(one) for one in samples if one)
    return f"answered of 500 clients on one cold page: {before} → {after}"


def answered(sample: dict[str, Any]) -> str:
    """The share of the requests that got a page."""
    outcomes = sample["outcomes"]
    total = sum(outcomes.values())
    return f"{outcomes.get('200', 0) / total:.0%}" if total else "none"


COLD = statements("first_page_cold", "statements of a cold page")
FIGURES: dict[str, tuple[Callable[[dict[str, Any]], Told], ...]] = {
    "R01": (timed,),
    "R02": (COLD,),
    "R03": (COLD, scans("first_page_cold", "reviews")),
    "R04": (
        COLD,
        scans("first_page_cold", "inventory"),
    ),
    "R05": (refused,),
    "R06": (scans("detail", "reviews"), scans("detail", "inventory")),
    "R08": (statements("first_page_warm", "statements of a page that is asked for again"),),
    "R10": (page_500,),
    "R12": (kilobytes("first_page_cold", "a page on the wire"),),
    "R13": (statements("batch_of_20", "statements of a batch of 20"),),
}
"""The figures of each requirement that has some beside its tests."""
