"""The plans of a request in a few lines: one for each different statement, and how often that was sent."""

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from evaluation.records import StatementPlan

MALFORMED = (ValueError, LookupError, TypeError, AttributeError, RecursionError)
"""What a forged plan may raise."""
CONSTANT = re.compile(r"'(?:[^']|'')*'|\b\d+\b")
"""Some drivers write the parameters of a statement into its text."""
MOST_STATEMENTS, MOST_NODES, LONGEST_SQL = 12, 30, 900
OF_THE_SYSTEM = "pg_"


def outlines(plans: Sequence[str]) -> list[StatementPlan]:
    """The first plan of each different statement, in the order in which they were sent; none of drivers."""
    found: dict[str, StatementPlan] = {}
    for text in plans:
        with suppress(*MALFORMED):
            one = outline(text)
            shape = CONSTANT.sub("?", one.sql)
            found[shape] = together(found[shape], one) if shape in found else one
    shown = [one for one in found.values() if f" on {OF_THE_SYSTEM}" not in "\n".join(one.nodes)]
    return shown[:MOST_STATEMENTS]


def together(known: StatementPlan, one: StatementPlan) -> StatementPlan:
    """A statement that was sent once more."""
    return replace(known, times=known.times + 1, buffers=known.buffers + one.buffers)


def outline(text: str) -> StatementPlan:
    """One plan as auto_explain sent it."""
    told = json.loads(text)
    root = told["Plan"]
    buffers = root.get("Shared Hit Blocks", 0) + root.get("Shared Read Blocks", 0)
    lines = [line for line, _ in zip(node_lines(root, 0), range(MOST_NODES), strict=False)]
    return StatementPlan(one_line(told["Query Text"]), 1, int(buffers), lines)


def one_line(sql: str) -> str:
    """The text of a statement as one line, cut where it is long."""
    line = " ".join(sql.split())
    return line if len(line) <= LONGEST_SQL else f"{line[:LONGEST_SQL]}…"


def node_lines(node: dict[str, Any], depth: int) -> Iterator[str]:
    """A node and those below it: its kind, table, index, and rows in all its loops."""
    named = [("on", "Relation Name"), ("using", "Index Name")]
    words = [
        node["Node Type"],
        *(part for word, name in named if name in node for part in (word, node[name])),
    ]
    removed = node.get("Rows Removed by Filter", 0) * node["Actual Loops"]
    rows = f"{node['Actual Rows'] * node['Actual Loops']:,.0f} rows"
    dropped = f", {removed:,.0f} dropped" if removed else ""
    yield f"{'  ' * depth}{' '.join(words)}: {rows}{dropped}"
    for child in node.get("Plans", ()):
        yield from node_lines(child, depth + 1)
