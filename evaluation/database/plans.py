"""EXPLAIN (ANALYZE, BUFFERS) of the statements that a candidate sent, with their parameters."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psycopg

READ_ONLY = "-c default_transaction_read_only=on -c lock_timeout=10s -c statement_timeout=60s"


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

    def rows_examined(self, relation: str) -> float:
        """How many rows of a table were examined, including those that a filter removed."""
        return sum(node.rows_examined for node in self.nodes if node.relation == relation)


def explain(url: str, statement: dict[str, Any]) -> QueryPlan | None:
    """The plan of a recorded SELECT; None for other statements, which must not run again.

    `url` is that of the candidate: a statement is its text, which may do more than to read. It runs in a
    transaction that is read-only and rolled back. A binary answer comes by the extended protocol alone, which
    takes one statement and no second behind it.
    """
    sql: str = statement["sql"]
    if not sql.lstrip().lower().startswith(("select", "with")):
        return None
    numbered = statement["style"].startswith("numeric")
    factory: Any = psycopg.RawCursor if numbered else psycopg.Cursor
    with psycopg.connect(url, options=READ_ONLY) as connection, factory(connection) as cursor:
        query = f"EXPLAIN (ANALYZE, BUFFERS, VERBOSE, FORMAT JSON) {sql}"
        try:
            cursor.execute(query, statement["parameters"], binary=True)
        except psycopg.errors.ReadOnlySqlTransaction:
            # WITH may begin a write as well.
            if sql.lstrip().lower().startswith("with"):
                return None
            raise
        root = cursor.fetchone()[0][0]["Plan"]
        connection.rollback()
    return QueryPlan(
        sql,
        root["Actual Rows"] * root["Actual Loops"],
        tuple(root.get("Output", ())),
        root.get("Shared Hit Blocks", 0) + root.get("Shared Read Blocks", 0),
        tuple(nodes(root)),
    )


def nodes(plan: dict[str, Any]) -> Iterator[Node]:
    """Every node of a plan, the root first."""
    removed = plan.get("Rows Removed by Filter", 0) + plan.get("Rows Removed by Index Recheck", 0)
    examined = (plan["Actual Rows"] + removed) * plan["Actual Loops"]
    yield Node(plan["Node Type"], plan.get("Relation Name"), examined)
    for child in plan.get("Plans", ()):
        yield from nodes(child)
