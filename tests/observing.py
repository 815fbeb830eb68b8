"""Observes the work behind a request: statements, rows and plans."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from evaluation.database.counters import Counters, Work
from evaluation.database.plans import QueryPlan, explain
from evaluation.serving.server import Server
from evaluation.serving.workbench import Stage


def until(condition: Callable[[], object], deadline_s: float = 5.0) -> bool:
    """Poll a condition until it is true; return False when the deadline passes first."""
    deadline = time.monotonic() + deadline_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


@dataclass(slots=True)
class Spent:
    """The work of one block, as recorded by SQLAlchemy's hooks and as counted by Postgres."""

    hooked: list[dict[str, Any]] = field(default_factory=list)
    counted: list[Work] = field(default_factory=list)

    @property
    def total(self) -> int:
        """The number of statements, as counted by Postgres."""
        return sum(work.calls for work in self.counted)

    def explain(self) -> str:
        """A failure message with the most frequent statements."""
        lines = sorted(self.counted, key=lambda work: -work.calls)[:8]
        listed = "\n".join(f"  {w.calls:4} x {' '.join(w.sql.split())[:110]}" for w in lines)
        return f"{self.total} statements by Postgres, {len(self.hooked)} by the hooks:\n{listed}"


@dataclass(slots=True)
class Observer:
    """Observes one server and its database."""

    server: Server
    stage: Stage
    counters: Counters

    @contextmanager
    def counted(self) -> Iterator[Spent]:
        """Count the work of a block; the yielded record is filled in when the block ends."""
        spent = Spent()
        since = self.server.ask("count")["count"]
        before = self.counters.snapshot()
        yield spent
        done = self.counters.since(before)
        spent.counted = [work for work in done if not self.counters.is_about_the_session(work.sql)]
        spent.hooked = self.server.ask("statements", since=since)["statements"]
        sent = sum(work.calls for work in spent.counted if work.is_top)
        assert sent <= len(spent.hooked), f"statements past SQLAlchemy's events: {spent.explain()}"

    def plans(self, spent: Spent) -> list[QueryPlan]:
        """The plans of the distinct SELECT statements of a block."""
        distinct = {statement["sql"]: statement for statement in spent.hooked}
        plans = (explain(self.stage.url, statement) for statement in distinct.values())
        return [plan for plan in plans if plan is not None]
