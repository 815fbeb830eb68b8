"""How the catalog uses its connections: R05, R09 and R14."""

import asyncio

import psycopg
import pytest

from tests.burst import burst, send
from tests.conftest import Subject, holding_products
from tests.observing import until


def health_while_waiting(subject: Subject, requests: int, backends: int) -> tuple[int, float, int]:
    """Let requests wait for Postgres; return the backends that wait, seconds for /health, added threads."""

    async def scene() -> tuple[int, float, int]:
        with holding_products(subject) as waiting:
            threads = subject.server.threads()
            paths = [f"/products/{number}" for number in range(1, requests + 1)]
            in_flight = asyncio.create_task(send(subject.server.port, paths, 20))
            await asyncio.to_thread(until, lambda: waiting() >= backends)
            waiting_backends = waiting()
            health = await send(subject.server.port, ["/health"], 1.5)
            added_threads = subject.server.threads() - threads
        in_flight.cancel()
        return waiting_backends, (health.latencies_ms or [float("inf")])[0] / 1000, added_threads

    return asyncio.run(scene())


@pytest.mark.requirement("R05")
def test_the_pool_has_room_for_fifty_connections_and_waits_thirty_seconds(api: Subject) -> None:
    pool = api.server.ask("pool")

    assert pool["size"] >= 20, pool
    assert pool["max_overflow"] == -1 or pool["size"] + pool["max_overflow"] >= 50, pool
    assert pool["timeout_s"] >= 30, pool


@pytest.mark.requirement("R05")
def test_fifty_requests_can_wait_for_postgres_side_by_side(own: Subject) -> None:
    waiting, _, _ = health_while_waiting(own, requests=60, backends=50)

    assert waiting >= 50, f"{waiting} backends waited for 60 requests"


@pytest.mark.requirement("R05")
def test_a_connection_that_died_in_the_pool_is_replaced_unseen(own: Subject) -> None:
    own.json("/products/2")
    own.sql("select pg_terminate_backend(pid) from pg_stat_activity where usename = %s", own.stage.role)

    assert own.get("/products/3").status_code == 200


@pytest.mark.requirement("R09")
def test_requests_that_wait_for_postgres_hold_up_nobody_else(own: Subject) -> None:
    waiting, health_s, added_threads = health_while_waiting(own, requests=45, backends=10)

    assert waiting >= 10, f"only {waiting} backends were waiting"
    assert health_s < 1.5, "GET /health was not answered within 1.5 s"
    assert added_threads < 20, f"{added_threads} more threads for 45 waiting requests"


@pytest.mark.requirement("R14")
def test_failing_requests_give_their_connections_back(own: Subject) -> None:
    for _ in range(5):
        answer = own.http.post("/products", json={"name": "x", "price": "1.00", "category_id": 999_999})
        assert answer.status_code in (404, 409, 422), answer.text
    own.sql("alter table categories rename to elsewhere")
    broken = ["/categories", "/products/9", "/products?limit=9"]
    assert burst(own.server.port, broken, 10).outcomes == {"500": 3}

    assert until(lambda: own.server.ask("pool")["checked_out"] == 0, 2.5), own.server.ask("pool")


@pytest.mark.requirement("R14")
def test_requests_cut_off_by_the_server_give_their_connections_back(own: Subject) -> None:
    async def scene() -> None:
        with holding_products(own) as waiting:
            paths = ["/products/5", "/products?limit=2", "/products/batch?ids=7,8"]
            in_flight = asyncio.create_task(send(own.server.port, paths, 10))
            assert await asyncio.to_thread(until, lambda: waiting() >= 3)
            with psycopg.connect(own.stage.admin_url, autocommit=True) as admin:
                admin.execute(
                    "select pg_terminate_backend(pid) from pg_stat_activity where usename = %s",
                    (own.stage.role,),
                )
            await in_flight

    asyncio.run(scene())

    assert until(lambda: own.server.ask("pool")["checked_out"] == 0, 2.5), own.server.ask("pool")
    assert own.get("/products/5").status_code == 200


@pytest.mark.requirement("R14")
def test_answered_requests_give_their_connections_back(own: Subject) -> None:
    for path in (
        "/products?limit=3",
        "/products/3",
        "/products/3000000",
        "/products/batch?ids=3,4",
        "/categories",
    ):
        own.get(path)

    assert until(lambda: own.server.ask("pool")["checked_out"] == 0, 2.5), own.server.ask("pool")


@pytest.mark.requirement("R14")
def test_clients_that_hang_up_leave_no_connection_checked_out(own: Subject) -> None:
    async def scene() -> None:
        with holding_products(own) as waiting:
            paths = [f"/products/{number}" for number in range(1, 9)]
            in_flight = asyncio.create_task(send(own.server.port, paths, 1))
            assert await asyncio.to_thread(until, lambda: waiting() >= 8)
            in_flight.cancel()

    asyncio.run(scene())

    assert until(lambda: own.server.ask("pool")["checked_out"] == 0, 2.5), own.server.ask("pool")


def test_a_small_burst_of_different_products_is_answered(own: Subject) -> None:
    paths = [f"/products/{number}" for number in range(101, 113)]

    assert burst(own.server.port, paths, 20).outcomes == {"200": 12}
