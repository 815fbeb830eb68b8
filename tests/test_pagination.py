"""Walking through the catalog: R10."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.conftest import Subject

TABLES = ("products", "inventory", "categories")


def pages(subject: Subject, path: str) -> Iterator[dict[str, Any]]:
    """Every page of a listing, by following `next`."""
    url: str | None = path
    while url:
        page = subject.json(url)
        yield page
        url = page["next"]


@pytest.mark.requirement("R10")
def test_the_last_page_looks_at_no_more_rows_than_the_first(api: Subject) -> None:
    walk = pages(api, "/products?is_active=false&limit=20")
    costs: dict[str, list[float]] = {table: [] for table in TABLES}
    while True:
        with api.observer.counted() as spent:
            page = next(walk, None)
        if page is None:
            break
        plans = [plan for plan in api.observer.plans(spent) if "count(" not in plan.sql.lower()]
        for table, rows in costs.items():
            rows.append(sum(plan.rows_examined(table) for plan in plans))

    assert len(costs["products"]) == 10
    for table, rows in costs.items():
        assert rows[-1] <= 1.5 * rows[0] + 25, f"rows of {table} examined, page by page: {rows}"


@pytest.mark.requirement("R10")
def test_a_walk_sees_each_product_once_while_others_come_and_go(own: Subject) -> None:
    lasting = [own.new_product(category_id=42)["id"] for _ in range(4)]
    passing = own.new_product(category_id=42)["id"]
    lasting += [own.new_product(category_id=42)["id"] for _ in range(4)]
    seen: list[int] = []

    for page in pages(own, "/products?category_id=42&limit=3"):
        seen += [item["id"] for item in page["items"]]
        if lasting[0] in seen:
            own.http.delete(f"/products/{lasting[0]}")
            own.http.delete(f"/products/{passing}")

    assert [product for product in seen if product in lasting] == lasting


@pytest.mark.requirement("R10")
@pytest.mark.parametrize(
    ("query", "where"),
    [
        ("", "is_active"),
        ("&category_id=3", "is_active and category_id = 3"),
        ("&is_active=false", "not is_active"),
    ],
    ids=["all", "category_id=3", "is_active=false"],
)
def test_following_next_leads_through_all_products_in_order(own: Subject, query: str, where: str) -> None:
    own.sql("delete from products where id > 300")
    expected = [row[0] for row in own.sql(f"select id from products where {where} order by id")]

    walked = [item["id"] for page in pages(own, f"/products?limit=50{query}") for item in page["items"]]

    assert walked == expected


@pytest.mark.requirement("R10")
def test_an_empty_listing_has_no_next(api: Subject) -> None:
    page = api.json("/products?category_id=41&is_active=false&limit=100")

    assert page["next"] is None
    assert api.json("/products?category_id=40000")["items"] == []
