"""Counts the statements of a served candidate twice: on the wire, and in Postgres.

The wire sees all that the candidate sends, failing statements included, unless it goes past the relay.
Postgres sees all that succeeds, whoever sent it, the statements inside functions included.
"""

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from evaluation.database.counters import Counters, Snapshot, Work
from evaluation.serving.relay import Relay
from evaluation.serving.server import Server
from evaluation.serving.wire import PostgresWire, RedisWire
from evaluation.serving.workbench import Stage

ABOUT_THE_CONNECTION = {"AUTH", "CLIENT", "HELLO", "PING", "SELECT"}
"""Commands to Redis that are not counted."""


ENDS_WITHIN_S = 1.0


@dataclass(frozen=True, slots=True)
class Mark:
    """A moment, in each of the places where something is counted."""

    statements: int
    commands: int
    snapshot: Snapshot


@dataclass(frozen=True, slots=True)
class Spent:
    """What was sent and done since a mark; statements about the session are counted apart from `server`."""

    wire: int
    server: int
    session: int
    commands: int
    work: list[Work]


@dataclass(frozen=True, slots=True)
class Meter:
    """The relays before the services of one server, and the counters of its stage."""

    postgres: Relay
    redis: Relay
    counters: Counters

    def mark(self) -> Mark:
        """This moment. Of a statement that comes in between, the wire must not see less than Postgres."""
        statements, commands = len(self.postgres.log), len(self.redis.log)
        return Mark(statements, commands, self.counters.snapshot())

    def connections_past_the_relay(self) -> int:
        """How many connections Postgres has that the relay does not know, after those that just end."""
        deadline = time.monotonic() + ENDS_WITHIN_S
        while (unknown := self.counters.sessions() - len(self.postgres.open)) > 0:
            if time.monotonic() > deadline:
                return unknown
            time.sleep(0.02)
        return 0

    def since(self, mark: Mark) -> Spent:
        """What was sent and done since then."""
        work = self.counters.since(mark.snapshot)
        self.postgres.settle()
        wire = len(self.counters.counted(self.postgres.log[mark.statements :]))
        session = self.counters.session(work)
        commands = [name for name in self.redis.log[mark.commands :] if name not in ABOUT_THE_CONNECTION]
        return Spent(
            wire,
            sum(one.calls for one in work) - session,
            session,
            len(commands),
            work,
        )


@contextmanager
def metered(stage: Stage, candidate: Path, options: tuple[str, ...] = ()) -> Iterator[tuple[Server, Meter]]:
    """Serve a candidate with relays before its services; never where time is measured."""
    with (
        Relay(stage.url, PostgresWire) as postgres,
        Relay(stage.redis_url, RedisWire) as redis,
        stage.serving(candidate, redis.url, database_url=postgres.url, options=options) as server,
        closing(stage.counters()) as counters,
    ):
        yield server, Meter(postgres, redis, counters)
