"""The cost of single requests, in words that the terminal and Markdown both print."""

from typing import Any

from evaluation.report.printable import one_line


def saved(sample: dict[str, Any]) -> str:
    """The share of an answer's bytes that did not pass the wire, because it was sent compressed."""
    body, wire = sample["body_bytes"], sample["wire_bytes"]
    return f"{1 - wire / body:.0%}" if body else "-"


def changed_reads(work: dict[str, Any]) -> list[tuple[str, str, str, str]]:
    """Request, table, and how the table was read before and after, where the two differ.

    Nothing in an older report, which does not tell how tables were read.
    """
    rows = []
    for scenario, old in work["before"].items():
        before, after = old.get("reads", {}), work["after"].get(scenario, {}).get("reads", {})
        rows += [
            (scenario, one_line(table), kinds(before.get(table)), kinds(after.get(table)))
            for table in sorted({*before, *after})
            if before.get(table) != after.get(table)
        ]
    return rows


def kinds(names: list[str] | None) -> str:
    """The kinds of nodes that read a table; it may not have been read at all."""
    return ", ".join(names) if names else "not read"
