"""What a write takes and what it refuses, at the edges of every range: API.5."""

from random import Random
from string import ascii_letters, digits
from typing import Any

import pytest

from evaluation.database.expected import difference
from tests.audit.auditor import is_stored
from tests.conftest import EMPTY_CATEGORY, Subject
from tests.passing_time import pass_time

NO_TEXT: tuple[Any, ...] = (None, {}, [], "a\0b", "\0")
NO_INTEGER: tuple[Any, ...] = (None, {}, [], "many", 1.5, 10**30)


def incompressible(length: int) -> str:
    """Text that takes as much room as it has characters, wherever it is kept."""
    return "".join(Random(length).choices(ascii_letters + digits, k=length))


def text(shortest: int, longest: int) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """Right and wrong texts of a field with this range of lengths."""
    wrong = (*NO_TEXT, "x" * (longest + 1), *[""] * (shortest > 0))
    odd = (" spaces ", "日本 🍮 & <b>'\"\\", "e\u0301\u2028\u00a0ﬁ\t\r\nİß")
    return ("x" * shortest, "é" * longest, incompressible(longest), *odd), wrong


def integer(least: int, most: int) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """Right and wrong whole numbers of a field with this range."""
    return (least, most), (*NO_INTEGER, least - 1, most + 1)


NAME, DESCRIPTION, STOCK = text(1, 200), text(0, 10_000), integer(0, 1_000_000_000)
PRICE: tuple[tuple[Any, ...], tuple[Any, ...]] = (
    ("0", "0.00", "99999999.99", 5, 9.99, "12.5", "007.10"),
    (None, {}, "", "-0.01", "100000000", "100000000.00", "1.001", "cheap", "NaN", "Infinity", 1e300, -1),
)
CATEGORY = ((1, EMPTY_CATEGORY), (*NO_INTEGER, 0, -1, 43, 2**31 - 1, 2**31, 2**63))
CREATED = {
    "name": NAME,
    "description": DESCRIPTION,
    "price": PRICE,
    "category_id": CATEGORY,
    "is_active": ((True, False), (None, {}, "perhaps")),
    "quantity": STOCK,
}
CHANGED = {**CREATED, "reserved": STOCK}
REVIEWED = {
    "author_id": ((1,), (*NO_INTEGER, 0, -1, 99_999, 2**31)),
    "rating": integer(1, 5),
    "title": NAME,
    "body": DESCRIPTION,
}
NEW = {"name": "New", "price": "9.99", "category_id": EMPTY_CATEGORY}
OTHER = {"name": "Other", "description": "other", "price": "3.21", "quantity": 77, "reserved": 7}
REVIEW = {"author_id": 2, "rating": 4, "title": "Fine"}


def shown(product: dict[str, Any]) -> dict[str, Any]:
    """The fields of a product under the names that a write gives them."""
    return {**product, **product["inventory"], "category_id": product["category"]["id"]}


def check_listed(subject: Subject, product: dict[str, Any]) -> None:
    """A product stands in the listings that it belongs to, as it is now, and in no other."""
    for active in (True, False):
        for category in (EMPTY_CATEGORY, 1):
            path = f"/products?limit=100&category_id={category}&is_active={str(active).lower()}"
            listed = [one for one in subject.json(path)["items"] if one["id"] == product["id"]]
            belongs = product["category"]["id"] == category and product["is_active"] == active
            assert belongs or not listed, f"{path} shows {product['id']}"
            wrong = difference(listed, [product]) if belongs and category != 1 else None
            assert not wrong, f"{path}: {wrong}"


@pytest.mark.criterion("API.1")
@pytest.mark.parametrize("field", CREATED)
def test_a_product_with_a_wrong_field_is_refused(shared: Subject, field: str) -> None:
    listing = f"/products?category_id={EMPTY_CATEGORY}"
    for wrong in CREATED[field][1]:
        answer = shared.http.post("/products", json={**NEW, field: wrong})

        assert answer.status_code == 422, f"{field} {wrong!r:.60}: {answer.status_code} {answer.text[:200]}"
        assert answer.json()["detail"]
    assert shared.json(listing)["items"] == []


@pytest.mark.criterion("API.1")
@pytest.mark.parametrize("missing", [("name",), ("price",), ("category_id",), tuple(NEW)])
def test_a_product_without_a_needed_field_is_refused(shared: Subject, missing: tuple[str, ...]) -> None:
    sent = {name: value for name, value in NEW.items() if name not in missing}

    assert shared.http.post("/products", json=sent).status_code == 422


@pytest.mark.criterion("API.5")
@pytest.mark.parametrize("field", CREATED)
def test_a_product_takes_every_value_in_the_range_of_a_field(shared: Subject, field: str) -> None:
    for right in CREATED[field][0]:
        product = shared.new_product(**{**NEW, field: right})

        assert is_stored(field, right, shown(product)[field]), f"{field} {right!r:.60}: {product}"
        assert not difference(shared.json(f"/products/{product['id']}"), product)
        check_listed(shared, product)


@pytest.mark.criterion("API.5")
@pytest.mark.parametrize("field", CHANGED)
def test_a_change_with_a_wrong_field_changes_nothing(shared: Subject, field: str) -> None:
    before = shared.new_product(**NEW, quantity=5)
    path = f"/products/{before['id']}"
    for wrong in CHANGED[field][1]:
        for sent in ({field: wrong}, {**OTHER, field: wrong}):
            answer = shared.http.put(path, json=sent)

            assert answer.status_code == 422, f"{field} {wrong!r:.60}: {answer.status_code}"
    assert not difference(shared.json(path), before)


@pytest.mark.criterion("API.5")
@pytest.mark.parametrize("field", CHANGED)
def test_a_change_of_one_field_changes_no_other(shared: Subject, field: str) -> None:
    before = shared.new_product(**NEW, quantity=5)
    path = f"/products/{before['id']}"
    derived = {"category", "inventory", "available", "in_stock", field}
    for right in CHANGED[field][0]:
        answer = shared.http.put(path, json={field: right})
        after = shared.json(path)

        assert answer.status_code == 200, f"{field} {right!r:.60}: {answer.status_code} {answer.text[:200]}"
        assert is_stored(field, right, shown(after)[field]), f"{field} {right!r:.60}: {after}"
        names = shown(before)
        changed = {name for name in names if difference(shown(before)[name], shown(after)[name], name)}
        assert changed <= derived, f"{field} was changed, and so were {changed - derived}"
        check_listed(shared, after)


@pytest.mark.criterion("API.5")
@pytest.mark.parametrize("field", REVIEWED)
def test_a_review_with_a_wrong_field_is_refused(shared: Subject, field: str) -> None:
    product = shared.new_product(**NEW)
    path = f"/products/{product['id']}"
    for wrong in REVIEWED[field][1]:
        answer = shared.http.post(f"{path}/reviews", json={**REVIEW, field: wrong})

        assert answer.status_code == 422, f"{field} {wrong!r:.60}: {answer.status_code}"
    assert not difference(shared.json(path), product)

    for right in REVIEWED[field][0]:
        answer = shared.http.post(f"{path}/reviews", json={**REVIEW, field: right})
        assert answer.status_code == 201, f"{field} {right!r:.60}: {answer.status_code} {answer.text[:200]}"
        assert not difference(shared.json(path)["reviews"][-1], answer.json())
        check_listed(shared, shared.json(path))


UNKNOWN: dict[str, Any] = {
    "id": 7,
    "product_id": 7,
    "created_at": "2001-01-01T00:00:00Z",
    "review_count": 9,
    "average_rating": 1.5,
    "reviews": [],
    "inventory": {"quantity": 9, "reserved": 3},
    "category": {"id": 2},
    "author": {"id": 2},
    "surplus": None,
}
"""What an answer shows and no write may set, and what nobody knows."""


@pytest.mark.criterion("API.5")
def test_fields_that_a_write_does_not_know_change_nothing(shared: Subject) -> None:
    known = {"name": "Known", "price": "1.00", "category_id": EMPTY_CATEGORY}
    plain = shared.http.post("/products", json=known).json()
    product = shared.http.post("/products", json={**UNKNOWN, "reserved": 3, **known}).json()
    path = f"/products/{product['id']}"
    changed = shared.http.put(path, json={**UNKNOWN, "name": "Changed"}).json()
    review = {**UNKNOWN, "name": "x", "author_id": 1, "rating": 5, "title": "Good"}
    made = shared.http.post(f"{path}/reviews", json=review).json()

    assert not difference(product, {**plain, "id": product["id"], "created_at": product["created_at"]})
    assert product["created_at"] >= plain["created_at"]
    assert not difference(changed, {**product, "name": "Changed"})
    assert not difference(shared.json(path)["reviews"], [made])
    assert (made["id"] != 7, made["created_at"] >= plain["created_at"], made["author"]["id"]) == (
        True,
        True,
        1,
    )


@pytest.mark.criterion("API.5")
def test_a_change_gives_a_product_the_inventory_that_it_lacks(own: Subject) -> None:
    own.sql("delete from inventory where product_id in (2, 3)")
    pass_time([own], 61)
    bare = [*own.json("/products/batch?ids=2,3"), own.json("/products/3")]
    assert [product["inventory"] for product in bare] == [None] * 3
    for product, sent in ((2, {}), (3, {"name": "Renamed"})):
        own.json("/products?limit=10")
        changed = own.http.put(f"/products/{product}", json=sent)

        assert changed.status_code == 200, changed.text
        nothing = {"quantity": 0, "reserved": 0, "available": 0, "in_stock": False}
        seen = [own.json("/products?limit=10")["items"], own.json(f"/products/batch?ids={product}")]
        seen += [[own.json(f"/products/{product}")]]
        stocks = [one["inventory"] for many in seen for one in many if one["id"] == product]
        assert [changed.json()["inventory"], *stocks] == [nothing] * 4, f"PUT {sent}"
