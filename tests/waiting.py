"""Many requests that wait for Postgres, and what is seen of a catalog meanwhile."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from tests.burst import Burst, send
from tests.conftest import Subject, holding_table
from tests.observing import until

HEALTH_S, RETURN_S = 5.0, 15.0
"""More than the contract allows, for a busy machine is no slow candidate. What is held up takes for ever."""
ARRIVAL_S, NEXT_S = 8.0, 0.7
ANSWER_S = 30.0
DETAILS = [f"/products/{number}" for number in range(1301, 1421)]
"""Nothing else asks for these, so a catalog that keeps details must read them."""


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
            under_way = asyncio.create_task(send(subject.server.port, paths, ANSWER_S))
            waited_for = await asyncio.to_thread(arrived, waiting, backends, next_s)
            health = await send(subject.server.port, ["/health"], HEALTH_S)
            threads, pool = subject.server.threads(), subject.server.ask("pool")
            await asyncio.sleep(held_s or 0.0)
            most = max(waited_for, waiting())
        answers = await under_way if held_s else Burst({}, [])
        under_way.cancel()
        if all(path.startswith("/") for path in paths):
            subject.audit.report_all(answers.exchanges)
        health_s = health.exchanges[0].elapsed_s if health.exchanges else float("inf")
        return Waiting(most, health_s, threads, pool["checked_out"], answers.outcomes)

    return asyncio.run(scene())


def arrived(waiting: Callable[[], int], wanted: int, next_s: float) -> int:
    """How many backends wait, when they are as many as wanted, or when no more have come for so long."""
    here = 0
    while here < wanted and until(lambda: waiting() > here, next_s if here else ARRIVAL_S):  # noqa: B023
        here = waiting()
    return here


def changes(number: int) -> list[str]:
    """Requests that change so many products."""
    return [f'PUT /products/{product} {{"name": "Slow"}}' for product in range(1, number + 1)]


def room(subject: Subject) -> int:
    """How many of 60 changes can wait for Postgres side by side; more than 50 are not counted."""
    return min(50, while_waiting(subject, changes(60), backends=50, next_s=NEXT_S).backends)


def check_room(subject: Subject, before: int, after: str) -> None:
    """As many changes as before can wait side by side; a busy machine gets three tries."""
    left = next((found for found in (room(subject) for _ in range(3)) if found >= before), None)
    assert left, (
        f"after {after}: fewer changes than the {before} from before can wait for Postgres side by side"
    )
