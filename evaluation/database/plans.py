"""EXPLAIN (ANALYZE, BUFFERS) of the statements that a candidate sent, with their parameters."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psycopg

LIMITS = "-c lock_timeout=10s -c statement_timeout=60s"
READ_ONLY = f"-c default_transaction_read_only=on {LIMITS}"
READS = re.compile(r"(\s|\(|--[^\n]*\n|/\*.*?\*/)*(select|with|values|table)\b", re.IGNORECASE | re.DOTALL)
"""What a statement that reads begins with, behind comments and brackets."""
LOCKS_OR_WRITES = re.compile(
    r"\bfor\s+(no\s+key\s+update|update|key\s+share|share)\b|\bwith\b", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Node:
    """One node of a plan: its kind, the table it reads, the rows it examined in all its loops."""

    kind: str
    relation: str | None
    rows_examined: float


@dataclass(frozen=True, slots=True)
class QueryPlan:
    """The plan of one statement, as Postgres ran it."""

    sql: str
    rows: float
    output: tuple[str, ...]
    buffers: int
    nodes: tuple[Node, ...]

    @property
    def relations(self) -> set[str]:
        """The tables that the plan reads."""
        return {node.relation for node in self.nodes if node.relation}

    def sequential_scans(self) -> set[str]:
        """The tables that the plan reads completely."""
        return {node.relation for node in self.nodes if node.kind == "Seq Scan" and node.relation}

    def is_a_count(self) -> bool:
        """Whether the statement returns a number of rows, and nothing of the rows."""
        return (
            self.rows == 1
            and bool(self.output)
            and all(column.startswith("count(") for column in self.output)
        )

    def rows_examined(self, relation: str) -> float:
        """How many rows of a table were examined, including those that a filter removed."""
        return sum(node.rows_examined for node in self.nodes if node.relation == relation)


def explain(url: str, statement: dict[str, Any]) -> QueryPlan | None:
    """The plan of a recorded statement that reads; None for other statements, which must not run again.

    `url` is that of the candidate: a statement is its text, which may do more than to read. It runs in a
    transaction that is rolled back, and that is read-only unless the text locks rows or holds a write. A
    binary answer comes by the extended protocol alone, which takes one statement and no second behind it.
    """
    if not READS.match(statement["sql"]):
        return None
    try:
        root = plan_of(url, statement, READ_ONLY)
    except psycopg.errors.ReadOnlySqlTransaction:
        if not LOCKS_OR_WRITES.search(statement["sql"]):
            raise
        root = plan_of(url, statement, LIMITS)
    return QueryPlan(
        statement["sql"],
        root["Actual Rows"] * root["Actual Loops"],
        tuple(root.get("Output", ())),
        root.get("Shared Hit Blocks", 0) + root.get("Shared Read Blocks", 0),
        tuple(nodes(root)),
    )


def plan_of(url: str, statement: dict[str, Any], options: str) -> dict[str, Any]:
    """The root of the plan, as Postgres describes it."""
    factory: Any = psycopg.RawCursor if statement["style"].startswith("numeric") else psycopg.Cursor
    with psycopg.connect(url, options=options) as connection, factory(connection) as cursor:
        query = f"EXPLAIN (ANALYZE, BUFFERS, VERBOSE, FORMAT JSON) {statement['sql']}"
        cursor.execute(query, statement["parameters"], binary=True)
        root: dict[str, Any] = cursor.fetchone()[0][0]["Plan"]
        connection.rollback()
    return root


def nodes(plan: dict[str, Any]) -> Iterator[Node]:
    """Every node of a plan, the root first."""
    removed = plan.get("Rows Removed by Filter", 0) + plan.get("Rows Removed by Index Recheck", 0)
    examined = (plan["Actual Rows"] + removed) * plan["Actual Loops"]
    yield Node(plan["Node Type"], plan.get("Relation Name"), examined)
    for child in plan.get("Plans", ()):
        yield from nodes(child)
