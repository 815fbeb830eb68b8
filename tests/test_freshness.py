"""A read sees every write before it (API.6, R08.6), and changes behind the API after a minute (API.2)."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import httpx
import pytest
import redis

from evaluation.database.expected import difference, expected_products
from tests.audit.tables import LIFETIME_S
from tests.conftest import EMPTY_CATEGORY, Subject, holding, subject_on
from tests.observing import until
from tests.passing_time import pass_time
from tests.walking import pages

T = TypeVar("T")

ASKED_AGAIN_S = 40.0
INACTIVE = "/products?limit=100&is_active=false"
CHANGES_BEHIND = (
    "update categories set name = name || ' moved on', description = 'elsewhere'",
    "update users set name = 'Renamed', location = 'Away'",
    "update reviews set title = 'Edited', rating = 1 where product_id = 1",
    "delete from reviews where id = (select max(id) from reviews where product_id = 1)",
    "update inventory set quantity = quantity + 3 where product_id = 1",
    "update products set name = 'Renamed', price = 1.25 where id = 1",
)


@pytest.mark.criterion("API.2")
def test_whatever_changes_behind_the_api_is_shown_a_minute_later(own: Subject) -> None:
    paths = ["/products?limit=1", "/products/1", "/products/batch?ids=1", "/categories"]
    for path in (*paths, *paths):
        own.json(path)
    for statement in CHANGES_BEHIND:
        own.sql(statement)
    [wanted] = expected_products(own.stage.admin_url, "where id = 1")

    # Asking again does not make anything last longer.
    pass_time([own], ASKED_AGAIN_S)
    for path in paths:
        own.json(path)
    pass_time([own], LIFETIME_S + 1 - ASKED_AGAIN_S)

    def wrong() -> str | None:
        page, product, batch, categories = (own.json(path) for path in paths)
        shown = [page["items"][0], product, *batch]
        [named] = [one for one in categories if one["id"] == wanted["category"]["id"]]
        differences = (difference(one, wanted) for one in shown)
        return difference(named, wanted["category"]) or next(filter(None, differences), None)

    # A candidate whose clock cannot be moved gets a real minute.
    assert not wrong() or until(lambda: not wrong(), LIFETIME_S + 2), wrong()


@pytest.mark.criterion("API.5")
def test_what_changed_behind_the_api_is_in_the_answer_to_a_write_a_minute_later(own: Subject) -> None:
    review = {"author_id": 3, "rating": 4, "title": "Again"}
    for _ in range(2):
        own.http.post("/products/5/reviews", json=review).raise_for_status()
        own.http.put("/products/5", json={"quantity": 3}).raise_for_status()
    for statement in CHANGES_BEHIND:
        own.sql(statement)
    own.sql("update users set name = 'Another', location = 'Elsewhere' where id = 3")
    own.sql(
        "update categories set name = 'Another' where id = (select category_id from products where id = 5)"
    )
    pass_time([own], LIFETIME_S + 1)

    def wrong() -> str | None:
        posted = own.http.post("/products/5/reviews", json=review).json()
        changed = own.http.put("/products/5", json={"quantity": 3}).json()
        [product] = expected_products(own.stage.admin_url, "where id = 5")
        return difference(posted, product["reviews"][-1]) or difference(changed, product)

    # A candidate whose clock cannot be moved gets a real minute.
    assert not wrong() or until(lambda: not wrong(), LIFETIME_S + 2), wrong()


WRITES = ["post", "put", "delete", "review"]


def write(subject: Subject, kind: str, product: int) -> str | None:
    """Write in the empty category, whose only product this is; return the name of its first product then."""
    if kind == "post":
        subject.new_product(category_id=EMPTY_CATEGORY, name="Newer")
        subject.http.delete(f"/products/{product}").raise_for_status()
        return "Newer"
    if kind == "put":
        subject.http.put(f"/products/{product}", json={"name": "Changed"}).raise_for_status()
        return "Changed"
    if kind == "delete":
        subject.http.delete(f"/products/{product}").raise_for_status()
        return None
    review = {"author_id": 1, "rating": 5, "title": "Good"}
    subject.http.post(f"/products/{product}/reviews", json=review).raise_for_status()
    return "New"


def check_written(subject: Subject, path: str, kind: str, name: str | None) -> None:
    """What a read must show right after such a write."""
    items = subject.json(path)["items"]
    assert [item["name"] for item in items] == ([name] if name else [])
    assert kind != "review" or items[0]["review_count"] == 1


def listed_by_all(*subjects: Subject) -> tuple[str, int]:
    """A listing that all these processes keep, and the only product in it, which is new."""
    path = f"/products?limit=1&category_id={EMPTY_CATEGORY}"
    product: int = subjects[0].new_product(category_id=EMPTY_CATEGORY)["id"]
    for subject in subjects:
        subject.json(path)
        subject.json(path)
    return path, product


@pytest.mark.criterion("API.6")
@pytest.mark.parametrize("kind", WRITES)
def test_whoever_writes_and_then_reads_sees_the_write(shared: Subject, kind: str) -> None:
    path, product = listed_by_all(shared)

    name = write(shared, kind, product)

    check_written(shared, path, kind, name)


@pytest.mark.criterion("R08.6")
@pytest.mark.parametrize("kind", WRITES)
def test_whoever_writes_and_then_reads_sees_the_write_in_every_process(
    shared: Subject, second_server: Subject, kind: str
) -> None:
    path, product = listed_by_all(shared, second_server)

    name = write(shared, kind, product)

    for subject in (second_server, shared):
        check_written(subject, path, kind, name)


IN_A_ROW = 12


@pytest.mark.criterion("API.6")
def test_writes_in_a_row_are_all_seen(shared: Subject) -> None:
    path, product = listed_by_all(shared)

    for number in range(IN_A_ROW):
        shared.http.put(f"/products/{product}", json={"name": f"Name {number}"}).raise_for_status()
        assert [item["name"] for item in shared.json(path)["items"]] == [f"Name {number}"]


@pytest.mark.criterion("R08.6")
def test_writes_in_a_row_through_two_processes_are_all_seen(shared: Subject, second_server: Subject) -> None:
    path, product = listed_by_all(shared, second_server)

    for number in range(IN_A_ROW):
        writer, reader = (shared, second_server) if number % 3 else (second_server, shared)
        writer.http.put(f"/products/{product}", json={"name": f"Name {number}"}).raise_for_status()
        assert [item["name"] for item in reader.json(path)["items"]] == [f"Name {number}"]


@pytest.mark.criterion("R08.6")
def test_a_write_is_seen_in_every_process_when_redis_has_lost_its_keys(own: Subject) -> None:
    # Not processes that other tests share: who counts his writes in Redis begins anew, among old pages.
    with subject_on(own.stage, own.server.directory) as second:
        path, product = listed_by_all(own, second)

        name = write(own, "put", product)
        with redis.Redis.from_url(own.stage.redis_url) as client:
            client.flushdb()

        for subject in (second, own):
            check_written(subject, path, "put", name)


@pytest.mark.criterion("API.6")
@pytest.mark.parametrize("kind", ["put", "review", "delete"])
def test_a_write_is_seen_on_every_page_and_in_details_and_batches(shared: Subject, kind: str) -> None:
    products = [shared.new_product(category_id=EMPTY_CATEGORY)["id"] for _ in range(3)]
    first = f"/products?limit=2&category_id={EMPTY_CATEGORY}"
    paths = [shared.json(first)["next"], f"/products/{products[2]}", f"/products/batch?ids=1,{products[2]}"]
    for path in (first, *paths, *paths):
        shared.get(path)

    name = write(shared, kind, products[2])

    page, detail, batch = (shared.get(path) for path in paths)
    assert detail.status_code == (200 if name else 404)
    assert [item["name"] for item in page.json()["items"]] == ([name] if name else [])
    assert [item["name"] for item in batch.json()[1:]] == ([name] if name else [])


@pytest.mark.criterion("API.6")
def test_a_write_is_seen_that_writes_the_same_as_the_last_one(shared: Subject) -> None:
    product = shared.new_product(category_id=EMPTY_CATEGORY)["id"]
    path = f"/products/{product}"
    listings = [f"/products?limit={limit}&category_id={EMPTY_CATEGORY}" for limit in range(1, 4)]
    for listing in listings:
        shared.http.put(path, json={"name": "Same", "quantity": 5}).raise_for_status()
        shared.sql("update products set name = 'Other' where id = %s", product)
        shared.sql("update inventory set quantity = 6 where product_id = %s", product)
        shared.json(listing)
        shared.http.put(path, json={"name": "Same", "quantity": 5}).raise_for_status()

        [shown] = shared.json(listing)["items"]
        assert (shown["name"], shown["inventory"]["quantity"]) == ("Same", 5), listing


@pytest.mark.criterion("API.6")
def test_a_product_that_was_asked_for_too_early_is_shown_when_it_is_there(shared: Subject) -> None:
    [[number]] = shared.sql("select nextval(pg_get_serial_sequence('products', 'id')) + 1")
    for _ in range(2):
        assert shared.get(f"/products/{number}").status_code == 404
        assert shared.json(f"/products/batch?ids={number}") == []

    product = shared.new_product()

    assert product["id"] == number
    assert not difference(shared.json(f"/products/{number}"), product)
    assert not difference(shared.json(f"/products/batch?ids={number}"), [product])


@pytest.mark.criterion("API.6")
@pytest.mark.parametrize("kind", ["put", "review", "delete", "post"])
def test_a_listing_that_is_read_during_a_write_does_not_outlive_it(shared: Subject, kind: str) -> None:
    first = f"/products?limit=1&category_id={EMPTY_CATEGORY}"
    product = shared.new_product(category_id=EMPTY_CATEGORY)["id"]
    before = shared.json(first)

    locks = (
        f"select 1 from products where id = {product} for update",
        f"select 1 from inventory where product_id = {product} for update",
        f"select 1 from categories where id = {EMPTY_CATEGORY} for update",
    )
    with ThreadPoolExecutor(1) as executor, holding(shared, *locks) as waiting:
        under_way = executor.submit(write, shared, kind, product)
        assert until(lambda: waiting() >= 1), "the write did not wait for the rows"
        assert shared.json(first)["items"] == shared.json(first)["items"] == before["items"]

    check_written(shared, first, kind, under_way.result())


@pytest.mark.criterion("R08.13")
@pytest.mark.parametrize("reads", ["at-once", "later"])
def test_a_read_after_a_write_shows_nothing_that_was_read_before_it(shared: Subject, reads: str) -> None:
    def read() -> list[int]:
        # Not by way of the auditor, for which an own write that is not shown is API.6.
        answer = httpx.get(f"{shared.server.url}{listing}", timeout=30, verify=False)
        return [item["id"] for item in answer.json()["items"]]

    listing = f"/products?limit=5&category_id={EMPTY_CATEGORY}"
    reviewed, deleted = (reviewed_product(shared) for _ in range(2))

    before, after = read_around_a_deletion(shared, deleted, read, at_once=reads == "at-once")

    assert before in ([reviewed, deleted], [reviewed])
    assert after == [reviewed]


@pytest.mark.criterion("API.6")
@pytest.mark.parametrize("reads", ["at-once", "later"])
@pytest.mark.parametrize("path", ["/products/{}", "/products/batch?ids={}"], ids=["details", "batches"])
def test_a_read_after_a_write_takes_nothing_from_one_before_it(
    shared: Subject, path: str, reads: str
) -> None:
    deleted = reviewed_product(shared)

    def shows_it() -> bool:
        # Not by way of the auditor, who does not know that the first read began before the deletion.
        answer = httpx.get(f"{shared.server.url}{path.format(deleted)}", timeout=30, verify=False)
        return answer.status_code == 200 and answer.json() != []

    _, after = read_around_a_deletion(shared, deleted, shows_it, at_once=reads == "at-once")

    assert not after, f"GET {path.format(deleted)} shows a product after the answer to its deletion"


def reviewed_product(subject: Subject) -> int:
    """A new product in the empty category that has a review."""
    product: int = subject.new_product(category_id=EMPTY_CATEGORY)["id"]
    review = {"author_id": 1, "rating": 5, "title": "Good"}
    subject.http.post(f"/products/{product}/reviews", json=review).raise_for_status()
    return product


def read_around_a_deletion(
    subject: Subject, product: int, read: Callable[[], T], *, at_once: bool
) -> tuple[T, T]:
    """What a read shows that has its reviews, but not the answer of Postgres, while the product is deleted,
    and what one shows that begins after that: while the first still waits, or when it has ended.
    """
    relay = subject.observer.relay
    with ThreadPoolExecutor(3) as executor, relay.holding_an_answer("reviews") as is_held:
        before = executor.submit(read)
        until(is_held)
        deletion = executor.submit(subject.http.delete, f"/products/{product}")
        until(deletion.done)
        after = executor.submit(read) if at_once and deletion.done() else None
        time.sleep(0.1)
    assert deletion.result().status_code == 204
    return before.result(), after.result() if after else read()


@pytest.mark.criterion("R08.6")
def test_a_process_that_has_read_nothing_is_heard_when_it_writes(own: Subject) -> None:
    path = "/products?limit=1&category_id=7"
    product = [own.json(path), own.json(path)][-1]["items"][0]["id"]
    with subject_on(own.stage, own.server.directory) as silent:
        silent.http.put(f"/products/{product}", json={"name": "Written"}).raise_for_status()

    assert own.json(path)["items"][0]["name"] == "Written"


@pytest.mark.criterion("R08.6")
def test_a_product_that_all_were_asked_for_too_early_is_shown_by_all(
    shared: Subject, second_server: Subject
) -> None:
    for writer in (shared, second_server):
        last = writer.new_product(category_id=EMPTY_CATEGORY)["id"]
        ahead = range(last + 1, last + 6)
        batch = f"/products/batch?ids={','.join(map(str, ahead))}"
        for reader in (shared, second_server) * 2:
            assert [reader.get(f"/products/{number}").status_code for number in ahead] == [404] * len(ahead)
            assert reader.json(batch) == []

        created = writer.new_product(category_id=EMPTY_CATEGORY)

        for reader in (shared, second_server):
            assert not difference(reader.json(f"/products/{created['id']}"), created)
            assert not difference(reader.json(batch), [created])


@pytest.mark.criterion("API.6")
@pytest.mark.parametrize("kind", ["put", "review", "delete"])
def test_a_write_to_an_inactive_product_is_seen_where_such_are_listed(shared: Subject, kind: str) -> None:
    product = shared.new_product(category_id=EMPTY_CATEGORY, is_active=False)["id"]
    path = f"/products?limit=1&is_active=false&category_id={EMPTY_CATEGORY}"
    for _ in range(2):
        shared.json(path)
        listed = [one for page in pages(shared, INACTIVE) for one in page["items"] if one["id"] == product]
        assert len(listed) == 1

    name = write(shared, kind, product)

    check_written(shared, path, kind, name)
    written = [one for page in pages(shared, INACTIVE) for one in page["items"] if one["id"] == product]
    assert [one["name"] for one in written] == ([name] if name else [])
    assert kind != "review" or written[0]["review_count"] == 1
