"""Writes that come at the same time: API.1, API.5 and API.10."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.conftest import EMPTY_CATEGORY, Subject, holding
from tests.observing import until

NEW = {"name": "New", "price": "9.99", "category_id": EMPTY_CATEGORY}
REVIEW = {"author_id": 2, "rating": 4, "title": "Fine"}
PAUSE_S = 0.3
AT_ONCE: tuple[tuple[int, dict[str, int], dict[str, int]], ...] = (
    (5, {"quantity": 3}, {"reserved": 2}),
    (6, {}, {}),
    (7, {}, {"quantity": 4}),
)
"""A product, and two changes of it."""


@pytest.mark.criterion("API.10")
def test_two_changes_at_once_give_a_product_one_inventory_with_both(own: Subject) -> None:
    own.sql("delete from inventory where product_id between 5 and 9")
    for product, *changes in AT_ONCE:
        path = f"/products/{product}"
        # Both can read that there is none before one of them can put it in.
        with (
            ThreadPoolExecutor(2) as executor,
            holding(own, "lock table inventory in share mode") as waiting,
        ):
            under_way = [executor.submit(own.http.put, path, json=sent) for sent in changes]
            until(lambda: waiting() >= 2)

        assert [answer.result().status_code for answer in under_way] == [200, 200]
        stock = {"quantity": 0, "reserved": 0} | changes[0] | changes[1]
        rows = own.sql("select quantity, reserved from inventory where product_id = %s", product)
        assert rows == [(stock["quantity"], stock["reserved"])], f"PUT {changes[0]} and PUT {changes[1]}"


@pytest.mark.criterion("API.5")
def test_writes_that_are_alike_and_come_at_once_are_all_made(own: Subject) -> None:
    number = own.sql("select max(id) from products")[0][0]
    paths = {"/products": NEW, f"/products/{number}/reviews": REVIEW}
    before = own.json(f"/products/{number}")["review_count"]
    with (
        ThreadPoolExecutor(6) as executor,
        holding(own, "lock table products, reviews in share mode") as waiting,
    ):
        under_way = [executor.submit(own.http.post, path, json=sent) for path, sent in [*paths.items()] * 3]
        until(lambda: waiting() >= len(under_way), 3.0)
    answers = [one.result() for one in under_way]

    assert [answer.status_code for answer in answers] == [201] * 6
    for path in paths:
        ids = {answer.json()["id"] for answer in answers if answer.request.url.path == path}
        assert len(ids) == 3, f"three POST {path} of the same content made {len(ids)}"
    assert own.json(f"/products/{number}")["review_count"] == before + 3


@pytest.mark.criterion("API.1")
@pytest.mark.parametrize("write", ["PUT", "POST"])
def test_a_write_beside_a_deletion_is_made_or_finds_nothing(own: Subject, write: str) -> None:
    below, body = {"PUT": ("", {"name": "Changed"}), "POST": ("/reviews", REVIEW)}[write]
    seen = set()
    with ThreadPoolExecutor(2) as executor:
        # Whichever comes first has to wait for the row, and both may have read it by then.
        for product, is_first in enumerate([True, False] * 10, start=501):
            path = f"/products/{product}"
            requests = [("DELETE", path, None), (write, path + below, body)][:: 1 if is_first else -1]
            with holding(own, f"select * from products where id = {product} for update") as waiting:
                under_way = [executor.submit(own.http.request, *requests[0][:2], json=requests[0][2])]
                until(lambda: waiting() >= 1, PAUSE_S)
                under_way += [executor.submit(own.http.request, *requests[1][:2], json=requests[1][2])]
                until(lambda: waiting() >= 2, PAUSE_S)
            seen |= {(one.result().request.method, one.result().status_code) for one in under_way}
            assert own.get(path).status_code == 404

    done = {"PUT": 200, "POST": 201}[write]
    assert seen <= {("DELETE", 204), (write, done), (write, 404)}, seen
