"""A candidate's work as Postgres counts it: statements, rows and buffers."""

import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psycopg

LIVENESS = re.compile(
    r"select (\$1|1)|select pg_catalog\.version\(\)|select current_schema\(\)|;", re.IGNORECASE
)
"""Statements that a driver sends about its connection (pings, version), not about the catalog."""

RUNS_A_QUERY_IN_A_TEXT = re.compile(r"\w+_to_xml\w*|ts_stat|ts_rewrite")
"""Functions of Postgres that run SQL which they get as text: that statement is not counted by itself."""

SNAPSHOT = """
select s.queryid, r.rolname, s.query, s.calls, s.rows, s.shared_blks_hit + s.shared_blks_read
from pg_stat_statements s
join pg_database d on d.oid = s.dbid
join pg_roles r on r.oid = s.userid
where d.datname = %s and r.rolname <> current_user
"""

BUSY = """
select count(*) from pg_stat_activity
where datname = %s and usename <> current_user and state in ('active', 'idle in transaction')
"""


@dataclass(frozen=True, slots=True)
class Work:
    """One kind of statement: calls, rows returned or changed, 8 kB buffers touched."""

    sql: str
    role: str
    calls: int
    rows: int
    buffers: int


class Counters:
    """pg_stat_statements of one database, without the harness's own statements."""

    def __init__(self, admin_url: str, database: str) -> None:
        self.connection = psycopg.connect(admin_url, autocommit=True)
        self.database = database
        self.known: dict[str, bool] = {}

    def settle(self, deadline_s: float = 3.0) -> None:
        """Wait until no statement or transaction of the candidate is running."""
        deadline = time.monotonic() + deadline_s
        while self.busy() and time.monotonic() < deadline:
            time.sleep(0.005)

    def busy(self) -> int:
        """The number of the candidate's connections that are in a statement or a transaction."""
        row = self.connection.execute(BUSY, (self.database,)).fetchone()
        return row[0] if row else 0

    def snapshot(self) -> dict[tuple[int, str], Work]:
        """Everything counted so far, by statement and role."""
        self.settle()
        rows = self.connection.execute(SNAPSHOT, (self.database,)).fetchall()
        return {
            (queryid, role): Work(sql, role, calls, got, buffers)
            for queryid, role, sql, calls, got, buffers in rows
            if not LIVENESS.fullmatch(sql.strip())
        }

    def since(self, before: dict[tuple[int, str], Work]) -> list[Work]:
        """The work that was done after the snapshot `before`."""
        spent = []
        for key, work in self.snapshot().items():
            old = before.get(key, Work(work.sql, work.role, 0, 0, 0))
            if work.calls > old.calls:
                spent.append(
                    Work(
                        work.sql,
                        work.role,
                        work.calls - old.calls,
                        work.rows - old.rows,
                        work.buffers - old.buffers,
                    )
                )
        return spent

    def session(self, spent: list[Work]) -> int:
        """How many of these statements were about the session: drivers ask for settings and types."""
        return sum(work.calls for work in spent if self.is_about_the_session(work.sql))

    def others(self, role: str) -> list[Work]:
        """The work so far that was done in other roles than the candidate's own."""
        done = [work for work in self.snapshot().values() if work.role != role]
        return [work for work in done if not self.is_about_the_session(work.sql)]

    def is_about_the_session(self, sql: str) -> bool:
        """Whether a statement reads the system's tables alone.

        The statement is planned, never run, in the administrator's database, which has no catalog tables.
        Before Postgres 16 there is no such plan, and no statement is about the session.
        """
        if sql not in self.known:
            self.known[sql] = self.reads_system_tables_alone(sql)
        return self.known[sql]

    def reads_system_tables_alone(self, sql: str) -> bool:
        """Ask Postgres for the plan of a statement, and check which tables it reads."""
        question = f"EXPLAIN (GENERIC_PLAN, VERBOSE, FORMAT JSON) {sql}"
        try:
            row = self.connection.execute(question.encode()).fetchone()
        except psycopg.Error:
            return False
        plan = row[0][0]["Plan"] if row else {}
        is_open = not RUNS_A_QUERY_IN_A_TEXT.search(json.dumps(plan))
        return bool(plan) and is_open and set(schemas(plan)) <= {"pg_catalog"}

    def close(self) -> None:
        """Close the connection."""
        self.connection.close()


def schemas(plan: dict[str, Any]) -> Iterator[str]:
    """The schema of every table in a plan."""
    if "Relation Name" in plan:
        yield plan["Schema"]
    for child in plan.get("Plans", ()):
        yield from schemas(child)
