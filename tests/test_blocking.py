"""Who waits for Postgres holds up nobody else, and holds no thread."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.conftest import Subject, holding_table
from tests.observing import until
from tests.waiting import ARRIVAL_S, DETAILS, FAR_APART, HEALTH_S, while_waiting

MOST_THREADS = 60
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
            health = asyncio.run(own.send(["/health"], HEALTH_S))
            assert not under_way.done()

        assert health.outcomes == {"200": 1}, f"{method}: GET /health was not answered meanwhile"


@pytest.mark.criterion("R09.2")
def test_a_request_that_waits_for_postgres_holds_no_thread(own: Subject) -> None:
    seen = while_waiting(own, FAR_APART, backends=50)

    assert seen.backends >= 10, f"{seen.backends} of 60 requests wait side by side"
    assert seen.threads < MOST_THREADS, f"{seen.threads} threads while 60 requests wait"
