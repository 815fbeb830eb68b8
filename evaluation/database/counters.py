"""A candidate's work as Postgres counts it: statements, rows and buffers."""

import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.pq import ExecStatus

from evaluation.database.dataset import OWNER_ROLE

CONNECTION = re.compile(
    r"|select (\$1|1)|select pg_catalog\.version\(\)|select current_schema\(\)|"
    r"(begin|start transaction|commit|end|rollback|abort|savepoint|release|set|reset|show|discard|deallocate"
    r"|listen|unlisten|notify|close)\b[^;]*",
    re.IGNORECASE,
)
"""Statements about a connection (pings, version, settings, transactions, messages), not about the catalog."""

CARRIES_A_QUERY = re.compile(r"declare\b|copy\s*\(|explain\b", re.IGNORECASE)
"""Statements that Postgres counts twice: as what was sent, and as the query that they carry."""

FOREIGN_KEYS = 4
"""Checks for each statement that writes, and each row of it; no table of the catalog needs more."""
FOREIGN_KEY = re.compile(r"(SELECT \$?\d FROM|DELETE FROM) ONLY [^()]* OPERATOR\(pg_catalog\.=\)[^()]*$")
"""What Postgres itself runs for a foreign key; it gives a client no row."""

CONSTANT = r"(?:'(?:[^']|'')*'|-?[\w.$]+)"
"""What a parameter stands for in a text that Postgres has counted."""

RUNS_A_QUERY_IN_A_TEXT = re.compile(r"\w+_to_xml\w*|ts_stat|ts_rewrite")
"""Functions of Postgres that run SQL which they get as text: that statement is not counted by itself."""

VOLATILE = """
select count(*) from pg_proc where proname = any(%s) and provolatile = 'v'
and proname not in ('set_config', 'pg_advisory_unlock_all', 'pg_notify')
"""
CALLED = re.compile(r"([a-z_]\w*)\s*\(", re.IGNORECASE)
WRITES = re.compile(
    r"(\s|\(|/\*.*?\*/)*(with\b.*\b)?(insert|update|delete|merge|copy|truncate)\b", re.IGNORECASE | re.DOTALL
)
PLANNING_LIMIT = "SET LOCAL statement_timeout = '2s'"

SNAPSHOT = """
select s.queryid, r.rolname, s.toplevel, s.query, s.calls, s.rows, s.shared_blks_hit + s.shared_blks_read
from pg_stat_statements s
join pg_database d on d.oid = s.dbid
join pg_roles r on r.oid = s.userid
where %(stage)s in (d.datname, r.rolname) and r.rolname not in (current_user, %(ours)s)
"""

BUSY = """
select count(*) from pg_stat_activity
where datname = %(stage)s and usename not in (current_user, %(ours)s)
and state in ('active', 'idle in transaction')
"""


ROLLED_BACK = r"""
select (select xact_rollback from pg_stat_database where datname = %(stage)s)
     + coalesce(sum(s.calls), 0)::bigint
from pg_stat_statements s
join pg_database d on d.oid = s.dbid
join pg_roles r on r.oid = s.userid
where %(stage)s in (d.datname, r.rolname) and s.query ~* '\mrollback\s+((work|transaction)\s+)?to\M'
"""
SESSIONS = "select count(*) from pg_stat_activity where usename = %(stage)s"


@dataclass(frozen=True, slots=True)
class Work:
    """One kind of statement: calls, rows returned or changed, 8 kB buffers touched; sent, or run inside."""

    sql: str
    role: str
    calls: int
    rows: int
    buffers: int
    is_top: bool = True

    def is_of_a_foreign_key(self) -> bool:
        """Whether it looks like what Postgres itself runs for a foreign key."""
        return not self.is_top and FOREIGN_KEY.match(self.sql) is not None


Snapshot = dict[tuple[int, str, bool], Work]
"""Work by the number of the statement, the role, and whether the client sent it or a function."""


def is_about_the_connection(sql: str) -> bool:
    """Whether a statement is not counted, whoever counts it."""
    return bool(CONNECTION.fullmatch(sql.strip(" \t\r\n;")))


class Counters:
    """pg_stat_statements of one stage: what its role did in any database, and what others did in its own.

    A stage's role is called as its database is. What the administrator and our role `ours` did is no work.
    """

    def __init__(self, admin_url: str, stage: str, ours: str) -> None:
        self.connection = psycopg.connect(admin_url, autocommit=True)
        self.names = {"stage": stage, "ours": ours}
        self.known: dict[str, bool] = {}

    def settle(self, deadline_s: float = 3.0) -> None:
        """Wait until no statement or transaction of the candidate is running."""
        deadline = time.monotonic() + deadline_s
        while self.busy() and time.monotonic() < deadline:
            time.sleep(0.005)

    def busy(self) -> int:
        """The number of the candidate's connections that are in a statement or a transaction."""
        row = self.connection.execute(BUSY, self.names).fetchone()
        return row[0] if row else 0

    def sessions(self) -> int:
        """The number of the candidate's connections, to whatever database."""
        row = self.connection.execute(SESSIONS, self.names).fetchone()
        return row[0] if row else 0

    def rolled_back(self) -> int:
        """How many transactions in the stage's database failed or were rolled back, to savepoints too."""
        row = self.connection.execute(ROLLED_BACK, self.names).fetchone()
        return row[0] if row else 0

    def snapshot(self) -> Snapshot:
        """Everything counted so far, by statement and role."""
        self.settle()
        rows = self.connection.execute(SNAPSHOT, self.names).fetchall()
        return {
            (queryid, role, top): Work(sql, role, calls, got, buffers, top)
            for queryid, role, top, sql, calls, got, buffers in rows
            if not is_about_the_connection(sql) and not (top and CARRIES_A_QUERY.match(sql))
        }

    def since(self, before: Snapshot) -> list[Work]:
        """The work that was done after the snapshot `before`.

        What looks like the check of a foreign key is one only where enough was written.
        """
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
                        work.is_top,
                    )
                )
        written = sum(work.calls + work.rows for work in spent if work.is_top and WRITES.match(work.sql))
        checks = sum(work.calls for work in spent if work.is_of_a_foreign_key())
        if checks <= FOREIGN_KEYS * written:
            return [work for work in spent if not work.is_of_a_foreign_key()]
        return spent

    def session(self, spent: list[Work]) -> int:
        """How many of these statements were about the session: drivers ask for settings and types."""
        return sum(work.calls for work in spent if self.is_about_the_session(work.sql))

    def counted(self, statements: list[str]) -> list[str]:
        """Those of the statements that passed on the wire that count, by the same rule."""
        named = [one.strip(" \t\r\n;") for one in statements if not is_about_the_connection(one)]
        return [one for one in named if not self.is_about_the_session(one)]

    def others(self, role: str) -> list[Work]:
        """The work so far that was done in other roles than the candidate's own."""
        found = self.snapshot().values()
        done = [work for work in found if work.role != role and not work.is_of_a_foreign_key()]
        return [work for work in done if not self.is_about_the_session(work.sql)]

    def is_about_the_session(self, sql: str) -> bool:
        """Whether a statement reads the system's tables alone, and calls nothing that may do more.

        Some texts cannot be planned once Postgres has taken the constants out; they are known from the wire.
        Before Postgres 16 there is no plan without parameters, and no statement is about the session.
        """
        if sql not in self.known:
            plan = self.plan_of(sql)
            is_open = not RUNS_A_QUERY_IN_A_TEXT.search(json.dumps(plan)) and not self.calls_a_volatile(sql)
            reads_system_tables_alone = is_open and set(schemas(plan)) <= {"pg_catalog"}
            asked = (text for text, is_about_the_session in self.known.items() if is_about_the_session)
            self.known[sql] = (
                reads_system_tables_alone if plan else any(without_constants(sql, text) for text in asked)
            )
        return self.known[sql]

    def calls_a_volatile(self, sql: str) -> bool:
        """Whether a text names a function that may do anything (large objects, files, other sessions)."""
        names = [name.lower() for name in CALLED.findall(sql)]
        row = self.connection.execute(VOLATILE, (names,)).fetchone()
        return bool(row and row[0])

    def plan_of(self, sql: str) -> dict[str, Any]:
        """The plan of a statement in the administrator's database, which has no catalog tables; else empty.

        A candidate wrote the text. It is planned and never run, for a role without power in this database, in
        a transaction that is read-only and rolled back. A prepared text can hold no second statement.
        """
        question = f"EXPLAIN (GENERIC_PLAN, VERBOSE, FORMAT JSON) {sql}"
        with self.connection.transaction(force_rollback=True):
            self.connection.execute("SET TRANSACTION READ ONLY")
            self.connection.execute(PLANNING_LIMIT)
            self.connection.execute(f"SET LOCAL ROLE {OWNER_ROLE}".encode())
            session = self.connection.pgconn
            session.prepare(b"", question.encode())
            unknown: list[Any] = [None] * session.describe_prepared(b"").nparams
            answer = session.exec_prepared(b"", unknown)
        text = answer.get_value(0, 0) if answer.status == ExecStatus.TUPLES_OK else None
        return json.loads(text)[0]["Plan"] if text else {}

    def close(self) -> None:
        """Close the connection."""
        self.connection.close()


def without_constants(sql: str, text: str) -> bool:
    """Whether a statement is this text, with parameters in the place of constants."""
    constants = re.sub(r"\\\$\d+", lambda _: CONSTANT, re.escape(sql.strip()))
    return bool(re.fullmatch(constants, text.strip()))


def schemas(plan: dict[str, Any]) -> Iterator[str]:
    """The schema of every table in a plan."""
    if "Relation Name" in plan:
        yield plan["Schema"]
    for child in plan.get("Plans", ()):
        yield from schemas(child)
