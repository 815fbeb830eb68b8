"""How the catalog uses its connections: R05, R09 and R14."""

import asyncio
import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count
from typing import Any

import psycopg
import pytest

from tests.burst import Burst, burst, send
from tests.conftest import EMPTY_CATEGORY, Subject, holding_table
from tests.observing import until


@dataclass(frozen=True, slots=True)
class Waiting:
    """What was seen meanwhile: backends at work, seconds of /health, threads, connections used, statuses."""

    backends: int
    health_s: float
    threads: int
    checked_out: int | None
    statuses: dict[str, int]


def while_waiting(
    subject: Subject, paths: list[str], backends: int, *, table: str = "products", held_s: float | None = None
) -> Waiting:
    """Send all paths at once while nobody can read a table; look when so many backends wait.

    The answers are waited for only where the table is held on for some seconds more.
    """

    async def scene() -> Waiting:
        with holding_table(subject, table) as waiting:
            under_way = asyncio.create_task(send(subject.server.port, paths, ANSWER_S))
            waited_for = await asyncio.to_thread(arrived, waiting, backends, ARRIVAL_S)
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


HEALTH_S, RETURN_S = 5.0, 15.0
"""More than the contract allows, for a busy machine is no slow candidate. What is held up takes for ever."""
ARRIVAL_S, NEXT_S = 8.0, 0.7
MOST_THREADS = 60
ANSWER_S = 30.0
DETAILS = [f"/products/{number}" for number in range(1301, 1421)]
"""Nothing else asks for these, so a catalog that keeps details must read them."""


def changes(number: int) -> list[str]:
    """Requests that change so many products."""
    return [f'PUT /products/{product} {{"name": "Slow"}}' for product in range(1, number + 1)]


@pytest.mark.criterion("R05.2")
def test_the_pool_names_room_for_fifty_connections_and_a_wait_of_thirty_seconds(api: Subject) -> None:
    pool = api.server.ask("pool")
    size, overflow, timeout_s = pool["size"], pool["max_overflow"], pool["timeout_s"]

    assert size is None or size >= 20, pool
    assert size is None or overflow is None or overflow == -1 or size + overflow >= 50, pool
    assert timeout_s is None or timeout_s >= 30, pool


@pytest.mark.criterion("R05.2")
def test_requests_beyond_the_pool_wait_for_a_connection_and_are_answered(own: Subject) -> None:
    listings = [f"/products?limit={n}&category_id={n}" for n in range(1, 31)]
    batches = [f"/products/batch?ids={n},{n + 1}" for n in range(301, 331)]
    # Details and writes are each more than two pools hold.
    reads = [*DETAILS, *listings, *batches]
    seen = while_waiting(own, [*reads, *changes(120)], backends=50, held_s=8.0)

    assert seen.statuses == {"200": 300}, seen.statuses
    assert seen.backends <= 100, f"{seen.backends} connections for 300 requests"
    assert seen.checked_out is None or seen.checked_out > 0, "the requests do not use database.engine"


@pytest.mark.criterion("R05.2")
@pytest.mark.parametrize("kind", ["listing", "product", "batch"])
def test_hundreds_that_wait_for_the_same_answer_all_get_it(own: Subject, kind: str) -> None:
    # Without reviews, so that a catalog that makes every answer anew can make three hundred.
    ids = [own.new_product(category_id=EMPTY_CATEGORY)["id"] for _ in range(2)]
    path = {
        "listing": f"/products?category_id={EMPTY_CATEGORY}",
        "product": f"/products/{ids[0]}",
        "batch": f"/products/batch?ids={ids[1]},{ids[0]}",
    }[kind]
    # The auditor reads what they got.
    seen = while_waiting(own, [path] * 300, backends=1, held_s=1.0)

    assert seen.statuses == {"200": 300}, seen.statuses


@pytest.mark.criterion("R05.1")
@pytest.mark.parametrize("kind", ["details", "changes"])
def test_fifty_requests_can_wait_for_postgres_side_by_side(own: Subject, kind: str) -> None:
    seen = while_waiting(own, changes(60) if kind == "changes" else DETAILS[:60], backends=50)

    assert seen.backends >= 50, f"{seen.backends} backends at work for 60 requests"


@pytest.mark.criterion("R05.3")
def test_a_connection_that_died_in_the_pool_is_replaced_unseen(own: Subject) -> None:
    review: dict[str, Any] = {"author_id": 1, "rating": 4, "title": "t"}
    requests: list[tuple[str, str, dict[str, Any] | None]] = [
        ("GET", "/products/3", None),
        ("GET", "/products?limit=2", None),
        ("GET", "/products/batch?ids=4,5", None),
        ("GET", "/categories", None),
        ("POST", "/products", {"name": "x", "price": "1.00", "category_id": 1}),
        ("PUT", "/products/6", {"name": "x"}),
        ("POST", "/products/6/reviews", review),
        ("DELETE", "/products/6", None),
    ]
    for method, path, body in requests:
        burst(own.server.port, DETAILS[:10], RETURN_S)
        own.sql("select pg_terminate_backend(pid) from pg_stat_activity where usename = %s", own.stage.role)
        answer = own.http.request(method, path, json=body)

        assert answer.is_success, f"{method} {path} after its connection died: {answer.status_code}"


LISTINGS = [f"limit={1 + n // 41}&category_id={1 + n % 41}" for n in range(120)]
WAITERS = {
    "details": (DETAILS, "products"),
    "listings": ([f"/products?is_active=false&{one}" for one in LISTINGS], "products"),
    "batches": ([f"/products/batch?ids={n},{n + 1}" for n in range(301, 541, 2)], "products"),
    "categories": (["/categories"] * 120, "categories"),
    "reviews": ([f"/products?{one}" for one in LISTINGS], "reviews"),
}
"""More than a pool has connections: who needs one waits as well."""


@pytest.mark.criterion("R09.1")
@pytest.mark.parametrize("kind", list(WAITERS))
def test_requests_that_wait_for_postgres_hold_up_nobody_else(blocked: Subject, kind: str) -> None:
    paths, table = WAITERS[kind]
    seen = while_waiting(blocked, paths, backends=1, table=table)

    assert seen.backends >= 1, "no request waited for Postgres"
    assert seen.health_s < HEALTH_S, "GET /health was not answered meanwhile"


@pytest.mark.criterion("R09.1")
def test_writes_that_wait_for_postgres_hold_up_nobody_else(own: Subject) -> None:
    review = {"author_id": 1, "rating": 4, "title": "t"}
    writes = [("PUT", "/products/77", {"name": "Slow"}), ("POST", "/products/77/reviews", review)]
    for method, path, body in [*writes, ("DELETE", "/products/77", None)]:
        with ThreadPoolExecutor(1) as executor, holding_table(own) as waiting:
            under_way = executor.submit(own.http.request, method, path, json=body)
            assert until(lambda: waiting() >= 1, ARRIVAL_S), f"the {method} did not wait for Postgres"
            health = asyncio.run(send(own.server.port, ["/health"], HEALTH_S))
            assert not under_way.done()

        assert health.outcomes == {"200": 1}, f"{method}: GET /health was not answered meanwhile"


@pytest.mark.criterion("R09.2")
def test_a_request_that_waits_for_postgres_holds_no_thread(own: Subject) -> None:
    seen = while_waiting(own, DETAILS[:60], backends=50)

    assert seen.backends >= 10, f"{seen.backends} of 60 requests wait side by side"
    assert seen.threads < MOST_THREADS, f"{seen.threads} threads while 60 requests wait"


FAILURES: dict[str, tuple[str, str, dict[str, object] | None]] = {
    "unknown": ("GET", "/products/4000000", None),
    "invalid query": ("GET", "/products?limit=0", None),
    "invalid id": ("GET", "/products/zero", None),
    "invalid batch": ("GET", "/products/batch?ids=1,x", None),
    "invalid product": ("POST", "/products", {"name": ""}),
    "no such category": ("POST", "/products", {"name": "x", "price": "1.00", "category_id": 999_999}),
    "change to no category": ("PUT", "/products/5", {"category_id": 999_999}),
    "change of none": ("PUT", "/products/4000000", {"name": "x"}),
    "delete none": ("DELETE", "/products/4000000", None),
    "review of none": ("POST", "/products/4000000/reviews", {"author_id": 1, "rating": 3, "title": "t"}),
    "review by nobody": ("POST", "/products/5/reviews", {"author_id": 99_999, "rating": 3, "title": "t"}),
    "invalid review": ("POST", "/products/5/reviews", {"rating": 9}),
}
TIMES = 60
UNASKED = (f"/products?limit={1 + n // 42}&category_id={1 + n % 42}" for n in count())


def check_connections(subject: Subject, after: str) -> None:
    """The catalog answers at once; no connection is inside a transaction or missing from the pool."""
    started = time.monotonic()
    # Listings that nobody has asked for yet, for those that are kept need no connection.
    paths = [*DETAILS[:6], *(next(UNASKED) for _ in range(3))]
    paths += ["/products/batch?ids=5,6", "/categories"]
    answers = burst(subject.server.port, paths, RETURN_S)
    waited = f"{answers.outcomes} after {time.monotonic() - started:.1f} s"
    assert answers.outcomes == {"200": len(paths)}, f"after {after}: {waited}"
    is_idle = until(lambda: subject.observer.counters.busy() == 0)
    assert is_idle, f"after {after}: a connection is inside a transaction"
    is_full = until(lambda: not subject.server.ask("pool")["checked_out"])
    assert is_full, f"after {after}: {subject.server.ask('pool')}"


@pytest.mark.criterion("R14.1")
def test_failing_requests_give_their_connections_back(own: Subject) -> None:
    for kind, (method, path, body) in FAILURES.items():
        request = f"{method} {path} {json.dumps(body) if body else ''}"
        outcomes = burst(own.server.port, [request] * TIMES, RETURN_S).outcomes

        assert set(outcomes) <= {"404", "422"}, f"{kind}: {outcomes}"
        check_connections(own, kind)


@pytest.mark.criterion("R14.1")
def test_requests_that_break_give_their_connections_back(own: Subject) -> None:
    own.audit.may_fail = True
    own.sql("alter table categories rename to elsewhere")
    kinds = [["/categories"] * TIMES, [f"/products/{number}" for number in range(701, 701 + TIMES)]]
    kinds += [[f"/products?limit={number}" for number in range(1, 1 + TIMES)]]
    kinds += [[f"/products/batch?ids={number}" for number in range(1, 1 + TIMES)]]
    for paths in kinds:
        outcomes = burst(own.server.port, paths, RETURN_S).outcomes
        # A listing that is often asked for may have been made at the start.
        answered = {status for status in outcomes if not status.startswith("5")}
        assert answered <= {"200"}, f"{paths[0]}: {outcomes}"
        assert outcomes.keys() > answered, f"{paths[0]}: {outcomes}"
    own.sql("alter table elsewhere rename to categories")
    check_connections(own, "requests that break")


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


def let_wait(subject: Subject, kind: str, then: Callable[[], object]) -> None:
    """Send requests that wait for a table; when they do, do something to them, and let the table go."""

    async def scene() -> None:
        with holding_table(subject) as waiting:
            in_flight = asyncio.create_task(send(subject.server.port, HELD[kind], RETURN_S))
            await asyncio.to_thread(arrived, waiting, len(HELD[kind]), NEXT_S)
            assert waiting() >= 1, f"no request of these waited for Postgres: {kind}"
            if then() is HANG_UP:
                in_flight.cancel()
        await asyncio.wait([in_flight])

    asyncio.run(scene())


HANG_UP = object()


@pytest.mark.criterion("R14.2")
def test_requests_cut_off_by_the_server_give_their_connections_back(blocked: Subject) -> None:
    blocked.audit.may_fail = True

    def cut_off() -> None:
        with psycopg.connect(blocked.stage.admin_url, autocommit=True) as admin:
            admin.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity where usename = %s",
                (blocked.stage.role,),
            )

    for kind in HELD:
        let_wait(blocked, kind, cut_off)
        check_connections(blocked, kind)


@pytest.mark.criterion("R14.3")
def test_clients_that_hang_up_leave_no_connection_checked_out(blocked: Subject) -> None:
    for kind in HELD:
        let_wait(blocked, kind, lambda: HANG_UP)
        check_connections(blocked, kind)


@pytest.mark.criterion("R14.4")
def test_answered_requests_give_their_connections_back(own: Subject) -> None:
    reads = [
        "/products?limit=3",
        "/products/3",
        "/products/3000000",
        "/products/batch?ids=3,4",
        "/products/batch?ids=3000001,3000002",
        "/products/batch?ids=3,3000001",
        "/products?limit=3",
        "/products?limit=2&is_active=false",
        "/products?category_id=42",
        "/products?category_id=1234567",
        "/categories",
        "PUT /products/5 {}",
    ]
    for requests in (reads, *([kind[0]] for kind in HELD.values())):
        outcomes = burst(own.server.port, requests, RETURN_S).outcomes
        assert not {"timeout", "refused", "500"} & set(outcomes), outcomes
        check_connections(own, str(requests))


@pytest.mark.criterion("API.8")
def test_a_dozen_requests_at_a_time_are_answered(api: Subject) -> None:
    details = [f"/products/{number}" for number in range(101, 113)]
    cold, warm = "/products?limit=2&category_id=33", "/products?limit=1&category_id=33"
    api.json(warm)

    for paths in (details, [cold] * 12, [warm] * 12):
        assert api.burst(paths, RETURN_S).outcomes == {"200": 12}, paths[0]
