"""What Postgres itself counted of a candidate's work: the truth about statements, rows and buffers."""

import re
import time
from dataclasses import dataclass

import psycopg

LIVENESS = re.compile(
    r"select (\$1|1)|select pg_catalog\.version\(\)|select current_schema\(\)|;", re.IGNORECASE
)
"""Statements of a driver about its connection (pings, version), not about the catalog."""

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
    """One kind of statement: how often it ran, rows it gave or changed, 8 kB buffers it touched."""

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

    def settle(self, deadline_s: float = 3.0) -> None:
        """Wait until no statement or transaction of the candidate is under way."""
        deadline = time.monotonic() + deadline_s
        while self.busy() and time.monotonic() < deadline:
            time.sleep(0.005)

    def busy(self) -> int:
        """How many connections of the candidate are inside a statement or a transaction."""
        row = self.connection.execute(BUSY, (self.database,)).fetchone()
        return row[0] if row else 0

    def snapshot(self) -> dict[tuple[int, str], Work]:
        """All that was counted so far."""
        self.settle()
        rows = self.connection.execute(SNAPSHOT, (self.database,)).fetchall()
        return {
            (queryid, role): Work(sql, role, calls, got, buffers)
            for queryid, role, sql, calls, got, buffers in rows
            if not LIVENESS.fullmatch(sql.strip())
        }

    def since(self, before: dict[tuple[int, str], Work]) -> list[Work]:
        """What was done after `before` was taken."""
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

    def close(self) -> None:
        """Hang up."""
        self.connection.close()
