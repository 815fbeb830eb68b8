"""Many requests that wait for Postgres, and what is seen of a catalog meanwhile."""

import asyncio
import itertools
import json
from collections.abc import Callable
from dataclasses import dataclass

import psycopg

from tests.burst import Burst
from tests.conftest import Subject, holding_table
from tests.observing import until

HEALTH_S, RETURN_S = 5.0, 15.0
"""More than the contract allows, for a busy machine is no slow candidate. What is held up takes for ever."""
ARRIVAL_S, NEXT_S = 8.0, 0.7
ANSWER_S = 40.0
BEGUN_S = 3.0
"""What a process may need until it has read hundreds of requests."""
DETAILS = [f"/products/{number}" for number in range(1301, 1421)]
"""Nothing else asks for these, so a catalog that keeps details must read them."""
FAR_APART = [f"/products/{number}" for number in range(32, 2000, 32)][:60]
"""Different numbers that are alike in their lowest bits."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """What was seen meanwhile: backends at work, seconds of /health, threads, connections used, statuses."""

    backends: int
    health_s: float
    threads: int
    checked_out: int | None
    statuses: dict[str, int]


def while_waiting(
    subject: Subject,
    paths: list[str],
    backends: int,
    *,
    table: str = "products",
    held_s: float | None = None,
    next_s: float = ARRIVAL_S,
) -> Waiting:
    """Send all paths at once while nobody can read a table; look when so many backends wait.

    Fewer are enough once no more have come for `next_s`. The answers are waited for only where the table is
    held on for some seconds more.
    """

    async def scene() -> Waiting:
        with holding_table(subject, table) as waiting:
            under_way = asyncio.create_task(subject.send(paths, ANSWER_S))
            waited_for = await asyncio.to_thread(arrived, waiting, backends, next_s)
            health = await subject.send(["/health"], HEALTH_S)
            threads, pool = subject.server.threads(), subject.server.ask("pool")
            await asyncio.sleep(held_s or 0.0)
            most = max(waited_for, waiting())
        answers = await under_way if held_s else Burst({}, [])
        under_way.cancel()
        if all(path.startswith("/") for path in paths):
            subject.audit.report_all(answers.exchanges)
        else:
            # R16.2: who waits for a connection waits as well.
            for exchange in answers.exchanges:
                subject.audit.expect_line(exchange, max(0.0, (held_s or 0.0) - BEGUN_S))
        health_s = health.exchanges[0].elapsed_s if health.exchanges else float("inf")
        return Waiting(most, health_s, threads, pool["checked_out"], answers.outcomes)

    return asyncio.run(scene())


def arrived(waiting: Callable[[], int], wanted: int, next_s: float) -> int:
    """How many backends wait, when they are as many as wanted, or when no more have come for so long."""
    here = 0
    while here < wanted and until(lambda: waiting() > here, next_s if here else ARRIVAL_S):  # noqa: B023
        here = waiting()
    return here


CHANGES: tuple[dict[str, object], ...] = (
    {"name": "Slow"},
    {"quantity": 7},
    {"description": "Slow", "price": "7.50", "is_active": True},
    {"name": "Slow", "reserved": 1},
)


def changes(number: int) -> list[str]:
    """Requests that change so many products, each some fields of it."""
    bodies = itertools.cycle(map(json.dumps, CHANGES))
    return [f"PUT /products/{product} {next(bodies)}" for product in range(1, number + 1)]


TIMES, USERS = 60, 500
REVIEW = json.dumps({"author_id": 1, "rating": 4, "title": "t"})
HELD = {
    "details": [f"/products/{number}" for number in range(721, 721 + TIMES)],
    "listings": [f"/products?limit=70&category_id={number}" for number in range(1, 41)],
    "batches": [f"/products/batch?ids={number}" for number in range(801, 801 + TIMES)],
    "changes": [f'PUT /products/{number} {{"name": "Cut off"}}' for number in range(901, 901 + TIMES)],
    "deletions": [f"DELETE /products/{number}" for number in range(1001, 1001 + TIMES)],
    "reviews": [f"POST /products/{number}/reviews {REVIEW}" for number in range(1101, 1101 + TIMES)],
    "new": ['POST /products {"name": "x", "price": "1.00", "category_id": 1}'] * TIMES,
}
"""Requests that wait where nobody can read products, as many of a kind as can use up a pool that leaks.

No other test asks for these listings, for those that are kept need not wait."""
HANG_UP = object()


def let_wait(subject: Subject, kind: str, then: Callable[[], object]) -> None:
    """Send requests that wait for a table; when they do, do something to them, and let the table go."""

    async def scene() -> None:
        with holding_table(subject) as waiting:
            in_flight = asyncio.create_task(subject.send(HELD[kind], RETURN_S))
            await asyncio.to_thread(arrived, waiting, len(HELD[kind]), NEXT_S)
            assert waiting() >= 1, f"no request of these waited for Postgres: {kind}"
            if then() is HANG_UP:
                in_flight.cancel()
        await asyncio.wait([in_flight])

    asyncio.run(scene())


def cut_off(subject: Subject) -> None:
    """End all connections of the candidate."""
    with psycopg.connect(subject.stage.admin_url, autocommit=True) as admin:
        admin.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where usename = %s", (subject.stage.role,)
        )
