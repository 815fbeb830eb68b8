"""Every request gives its connection back, however it ends."""

import json
import time
from itertools import count

import pytest

from tests.conftest import Subject
from tests.observing import until
from tests.waiting import DETAILS, HANG_UP, HELD, RETURN_S, TIMES, cut_off, let_wait

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
UNASKED = (f"/products?limit={1 + n // 42}&category_id={1 + n % 42}" for n in count())


def check_connections(subject: Subject, after: str) -> None:
    """The catalog answers at once; no connection is inside a transaction or missing from the pool."""
    started = time.monotonic()
    # Listings that nobody has asked for yet, for those that are kept need no connection.
    paths = [*DETAILS[:6], *(next(UNASKED) for _ in range(3))]
    paths += ["/products/batch?ids=5,6", "/categories"]
    answers = subject.burst(paths, RETURN_S)
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
        outcomes = own.burst([request] * TIMES, RETURN_S).outcomes

        assert set(outcomes) <= {"404", "422"}, f"{kind}: {outcomes}"
        check_connections(own, kind)


@pytest.mark.criterion("R14.1")
def test_requests_that_break_give_their_connections_back(own: Subject) -> None:
    own.audit.may_fail = True
    kinds = [("categories", ["/categories"] * TIMES)]
    kinds += [("categories", [f"/products/{number}" for number in range(701, 701 + TIMES)])]
    kinds += [("categories", [f"/products?limit={number}" for number in range(1, 1 + TIMES)])]
    kinds += [("categories", [f"/products/batch?ids={number}" for number in range(1, 1 + TIMES)])]
    # Who counts breaks as well, each for a total of its own.
    kinds += [("products", [f"/products?limit=1&category_id={number}" for number in range(50, 50 + TIMES)])]
    for table, paths in kinds:
        own.sql(f"alter table {table} rename to elsewhere")
        outcomes = own.burst(paths, RETURN_S).outcomes
        # A listing that is often asked for may have been made at the start.
        answered = {status for status in outcomes if not status.startswith("5")}
        assert answered <= {"200"}, f"{paths[0]}: {outcomes}"
        assert outcomes.keys() > answered, f"{paths[0]}: {outcomes}"
        own.sql(f"alter table elsewhere rename to {table}")
    check_connections(own, "requests that break")


@pytest.mark.criterion("R14.2")
def test_requests_cut_off_by_the_server_give_their_connections_back(blocked: Subject) -> None:
    blocked.audit.may_fail = True

    for kind in HELD:
        let_wait(blocked, kind, lambda: cut_off(blocked))
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
        outcomes = own.burst(requests, RETURN_S).outcomes
        assert not {"timeout", "refused", "500"} & set(outcomes), outcomes
        check_connections(own, str(requests))
