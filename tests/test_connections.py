"""The pool: how many requests have a connection at once, and that the others get one."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

from tests.conftest import Subject
from tests.observing import until
from tests.waiting import (
    DETAILS,
    HANG_UP,
    NEXT_S,
    RETURN_S,
    TIMES,
    USERS,
    changes,
    cut_off,
    let_wait,
    while_waiting,
)


@pytest.mark.criterion("R05.2")
def test_the_pool_names_room_for_fifty_connections_and_a_wait_of_thirty_seconds(api: Subject) -> None:
    pool = api.server.ask("pool")
    size, overflow, timeout_s = pool["size"], pool["max_overflow"], pool["timeout_s"]

    assert size is None or size >= 20, pool
    assert size is None or overflow is None or overflow == -1 or size + overflow >= 50, pool
    assert timeout_s is None or timeout_s >= 30, pool


@pytest.mark.criterion("R05.2")
def test_requests_beyond_the_pool_wait_for_a_connection_and_are_answered(own: Subject) -> None:
    listings = [f"/products?limit={1 + n // 41}&category_id={1 + n % 41}" for n in range(160)]
    batches = [f"/products/batch?ids={n},{n + 1}" for n in range(301, 401)]
    # Requests of each kind are more than two pools hold.
    reads = [*DETAILS, *listings, *batches]
    # Who answers most of them gets a second try: answering what has waited takes its time on a busy machine.
    for _ in range(2):
        seen = while_waiting(own, [*reads, *changes(120)], backends=50, held_s=8.0)
        if not USERS / 2 < seen.statuses.get("200", 0) < USERS:
            break

    assert seen.statuses == {"200": USERS}, seen.statuses
    assert seen.backends <= 100, f"{seen.backends} connections for {USERS} requests"
    assert seen.checked_out is None or seen.checked_out > 0, "the requests do not use database.engine"


@pytest.mark.criterion("R05.1")
@pytest.mark.parametrize(
    ("paths", "table"),
    [(DETAILS[:60], "products"), (changes(60), "products"), (changes(60), "reviews")],
    ids=["details", "changes", "changes-at-their-end"],
)
def test_fifty_requests_can_wait_for_postgres_side_by_side(
    own: Subject, paths: list[str], table: str
) -> None:
    seen = while_waiting(own, paths, backends=50, table=table)

    assert seen.backends >= 50, f"{seen.backends} backends at work for 60 requests"


@pytest.mark.criterion("R05.1")
def test_as_many_can_wait_after_requests_that_failed(own: Subject) -> None:
    own.audit.may_fail = True
    for then in (lambda: cut_off(own), lambda: HANG_UP):
        for kind in ("changes", "reviews", "new", "details"):
            let_wait(own, kind, then)
    own.burst(["POST /products {}", "PUT /products/4000000 {}"] * TIMES, RETURN_S)
    for paths in (changes(60), DETAILS[:60]):
        # A busy machine gets three tries.
        seen = (while_waiting(own, paths, backends=50, next_s=NEXT_S).backends for _ in range(3))

        assert any(backends >= 50 for backends in seen), f"fewer than 50 requests like {paths[0]} wait"


@pytest.mark.criterion("R05.1")
def test_as_many_can_wait_after_requests_that_found_no_connection(own: Subject) -> None:
    own.audit.may_fail = True
    with locked_out(own):
        own.burst([*changes(TIMES), *DETAILS[:TIMES]], RETURN_S)

    assert until(lambda: own.get("/products/9").status_code == 200, RETURN_S), "nothing is answered any more"
    for paths in (changes(60), DETAILS[60:120]):
        # A busy machine gets three tries.
        seen = (while_waiting(own, paths, backends=50, next_s=NEXT_S).backends for _ in range(3))

        assert any(backends >= 50 for backends in seen), f"fewer than 50 requests like {paths[0]} wait"


@contextmanager
def locked_out(subject: Subject) -> Iterator[None]:
    """Close all connections of the candidate, and let it open no others until the block ends."""
    role = subject.stage.role
    with psycopg.connect(subject.stage.counters_url, autocommit=True) as admin:
        admin.execute(f"alter role {role} nologin".encode())
        try:
            cut_off(subject)
            yield
        finally:
            admin.execute(f"alter role {role} login".encode())


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
        own.burst(DETAILS[:10], RETURN_S)
        own.sql("select pg_terminate_backend(pid) from pg_stat_activity where usename = %s", own.stage.role)
        answer = own.http.request(method, path, json=body)

        assert answer.is_success, f"{method} {path} after its connection died: {answer.status_code}"


@pytest.mark.criterion("API.8")
def test_a_dozen_requests_at_a_time_are_answered(api: Subject) -> None:
    details = [f"/products/{number}" for number in range(101, 113)]
    cold, warm = "/products?limit=2&category_id=33", "/products?limit=1&category_id=33"
    api.json(warm)

    for paths in (details, [cold] * 12, [warm] * 12):
        assert api.get_all(paths, RETURN_S).outcomes == {"200": 12}, paths[0]
