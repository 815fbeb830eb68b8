"""Observes the work behind a request: statements, rows and plans."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from evaluation.database.counters import Counters, Work, is_about_the_connection
from evaluation.database.plans import QueryPlan, read_plan
from evaluation.serving.relay import Relay
from evaluation.serving.server import Server
from evaluation.serving.workbench import Stage

BUDGET = 5
"""A request costs fewer statements than this."""
UNTOLD_BUFFERS = 1_000
"""What planning, foreign keys and long texts need beside the plans is far less."""


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
    """The work of one block: statements that the candidate sent, and statements that Postgres ran."""

    sent: list[str] = field(default_factory=list)
    counted: list[Work] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    @property
    def total(self) -> int:
        """The number of statements: those that failed were sent, those inside of a function were run."""
        return max(len(self.sent), sum(work.calls for work in self.counted))

    def plans(self) -> list[QueryPlan]:
        """The plan of every statement, those inside of functions included; none may fail, or read unseen.

        ANALYZE and its like read tables as well, and have no plan.
        """
        assert not self.failed, f"Postgres tells no plan of a statement that fails: {self.failed[:2]}"
        plans = [read_plan(one) for one in self.told]
        untold = sum(work.buffers for work in self.counted) - sum(plan.buffers for plan in plans)
        assert untold < UNTOLD_BUFFERS, f"{untold} buffers were read without a plan; {self.explain()}"
        return plans

    def explain(self) -> str:
        """A failure message with the most frequent statements."""
        by_postgres = sum(work.calls for work in self.counted)
        lines = sorted(self.counted, key=lambda work: -work.calls)[:8]
        listed = "\n".join(f"  {w.calls:4} x {' '.join(w.sql.split())[:110]}" for w in lines)
        return f"{len(self.sent)} statements sent, {by_postgres} run by Postgres:\n{listed}"


@dataclass(slots=True)
class Observer:
    """Observes one server, through the relay before its database, and the database."""

    server: Server
    stage: Stage
    counters: Counters
    relay: Relay

    @contextmanager
    def counted(self) -> Iterator[Spent]:
        """Count the work of a block; the yielded record is filled in when the block ends."""
        spent = Spent()
        sent, told, failed = len(self.relay.log), len(self.relay.plans), len(self.relay.failures)
        before = self.counters.snapshot()
        yield spent
        done = self.counters.since(before)
        self.relay.settle()
        # What was sent comes first: some texts cannot be told any more once Postgres has taken constants out.
        spent.sent = self.counters.counted(self.relay.log[sent:])
        spent.counted = [work for work in done if not self.counters.is_about_the_session(work.sql)]
        spent.told = self.relay.plans[told:]
        spent.failed = self.relay.failures[failed:]
        ran = sum(work.calls for work in spent.counted if work.is_top)
        assert ran <= len(spent.sent), f"statements past the relay: {spent.explain()}"

    def sent_since(self, mark: int) -> list[str]:
        """The statements that count since so many had passed; only what is too much is looked at closely."""
        passed = [one for one in self.relay.log[mark:] if not is_about_the_connection(one)]
        return passed if len(passed) < BUDGET else self.counters.counted(passed)
