"""The plans of a candidate's statements, as Postgres ran them.

auto_explain sends each plan over the connection that the statement came by, and the relay takes it out there:
nothing is run a second time. https://www.postgresql.org/docs/current/auto-explain.html
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql

from evaluation.errors import InfrastructureError

SETTINGS = {
    "session_preload_libraries": "auto_explain",
    "auto_explain.log_min_duration": "0",
    "auto_explain.log_analyze": "on",
    "auto_explain.log_buffers": "on",
    "auto_explain.log_timing": "off",
    "auto_explain.log_verbose": "on",
    "auto_explain.log_format": "json",
    "auto_explain.log_nested_statements": "on",
    "auto_explain.log_level": "info",
}
"""A superuser alone may change these. What has the level INFO is sent whatever a client wants to hear."""


@dataclass(frozen=True, slots=True)
class Node:
    """One node of a plan: its kind, the table it reads, the rows it examined in all its loops."""

    kind: str
    relation: str | None
    rows_examined: float


@dataclass(frozen=True, slots=True)
class QueryPlan:
    """The plan of one statement, as Postgres ran it, and the 8 kB buffers that it touched."""

    sql: str
    rows: float
    output: tuple[str, ...]
    nodes: tuple[Node, ...]
    buffers: int

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


def tell_plans(admin_url: str, role: str) -> None:
    """Have Postgres send the plan of every statement of a role, in sessions that begin from now on."""
    with psycopg.connect(admin_url, autocommit=True) as admin:
        try:
            admin.execute("LOAD 'auto_explain'")
        except psycopg.Error as error:
            raise InfrastructureError(
                f"Postgres cannot tell its plans: {error}; it needs the module auto_explain (of its package "
                "contrib) and a superuser for the harness"
            ) from error
        for name, value in SETTINGS.items():
            setting = sql.SQL("ALTER ROLE {} SET {} = {}")
            parts = sql.Identifier(*name.split(".")), sql.Literal(value)
            admin.execute(setting.format(sql.Identifier(role), *parts))


def tell_no_plans(admin_url: str, role: str) -> None:
    """Take back what `tell_plans` has set, for sessions that begin from now on."""
    with psycopg.connect(admin_url, autocommit=True) as admin:
        for name in SETTINGS:
            parts = sql.Identifier(role), sql.Identifier(*name.split("."))
            admin.execute(sql.SQL("ALTER ROLE {} RESET {}").format(*parts))


def read_plan(text: str) -> QueryPlan:
    """A plan from what auto_explain sent."""
    told = json.loads(text)
    root = told["Plan"]
    rows = root["Actual Rows"] * root["Actual Loops"]
    output = tuple(root.get("Output", ()))
    touched = root.get("Shared Hit Blocks", 0) + root.get("Shared Read Blocks", 0)
    return QueryPlan(told["Query Text"], rows, output, tuple(nodes(root)), touched)


def nodes(plan: dict[str, Any]) -> Iterator[Node]:
    """Every node of a plan, the root first."""
    removed = plan.get("Rows Removed by Filter", 0) + plan.get("Rows Removed by Index Recheck", 0)
    examined = (plan["Actual Rows"] + removed) * plan["Actual Loops"]
    yield Node(plan["Node Type"], plan.get("Relation Name"), examined)
    for child in plan.get("Plans", ()):
        yield from nodes(child)
