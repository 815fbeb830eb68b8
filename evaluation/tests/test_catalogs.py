"""What both catalogs do alike where no example of the suite looks: odd rows, odd ids, writes at once."""

import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from evaluation.database.dataset import SIZES
from evaluation.serving.workbench import Workbench
from evaluation.tests.served import BASELINE, REFERENCE, Served, holding, run_sql, served
from tests.observing import until

LINK = re.compile(r"""(?:src|href)\s*=\s*["']?([^"'\s>]+)""")
ELSEWHERE = re.compile(r"https?:|//")


@pytest.fixture(scope="module", params=[BASELINE, REFERENCE], ids=["baseline", "reference"])
def catalog(bench: Workbench, request: pytest.FixtureRequest) -> Iterator[Served]:
    with bench.stage(SIZES["small"]) as stage, served(stage, request.param) as catalog:
        yield catalog


Request = tuple[str, str, object]


def one_behind_the_other(catalog: Served, product: int, *requests: Request) -> list[int]:
    """The statuses of requests that wait for one product, in the order in which they came to it."""
    with ThreadPoolExecutor() as pool:
        with holding(catalog.stage, f"select 1 from products where id = {product} for update") as waiting:
            answers = []
            for number, (method, path, body) in enumerate(requests, start=1):
                answers.append(pool.submit(catalog.http.request, method, path, json=body))
                assert until(lambda wanted=number: waiting() == wanted)  # type: ignore[misc]
        return [answer.result().status_code for answer in answers]


def test_two_puts_at_once_on_a_product_without_inventory_give_it_one_row(catalog: Served) -> None:
    catalog.sql("delete from inventory where product_id = 10")

    statuses = one_behind_the_other(
        catalog, 10, ("PUT", "/products/10", {"quantity": 8}), ("PUT", "/products/10", {"reserved": 3})
    )

    assert statuses == [200, 200]
    rows = catalog.sql("select quantity, reserved from inventory where product_id = 10")
    assert rows == [(8, 3)]


def test_a_second_row_of_inventory_changes_no_answer(catalog: Served) -> None:
    listing = "/products?limit=2&category_id=11&is_active=false"
    page = catalog.json(listing)
    product, other = page["items"]
    path, batch = f"/products/{product['id']}", f"/products/batch?ids={product['id']},{other['id']}"
    catalog.sql(f"insert into inventory (product_id, quantity, reserved) values ({product['id']}, 7777, 1)")
    catalog.rename(other["id"], other["name"])  # from here on no page from before is shown

    assert [catalog.json(one) for one in (path, batch, listing)] == [product, page["items"], page]

    changed = catalog.http.put(path, json={"quantity": 9000, "reserved": 1000})

    stock = {"quantity": 9000, "reserved": 1000, "available": 8000, "in_stock": True}
    expected = product | {"inventory": stock}
    assert (changed.status_code, changed.json()) == (200, expected)
    assert [catalog.json(one) for one in (path, batch)] == [expected, [expected, other]]
    assert catalog.json(listing) == page | {"items": [expected, other]}


@pytest.mark.parametrize(
    ("product", "method", "below", "body"),
    [
        (30, "PUT", "", {"name": "Late", "quantity": 5}),
        (31, "POST", "/reviews", {"author_id": 1, "rating": 5, "title": "Late"}),
    ],
    ids=["put", "review"],
)
def test_a_write_behind_a_delete_finds_no_product(
    catalog: Served, product: int, method: str, below: str, body: object
) -> None:
    path = f"/products/{product}"

    statuses = one_behind_the_other(catalog, product, ("DELETE", path, None), (method, path + below, body))

    assert statuses == [204, 404]


@pytest.mark.parametrize("ids", ["1_0", "\u0661", "\uff11", "+1", " 1", "1 ", "1\n", "1,+2", "1.0", "0x1"])
def test_ids_are_plain_digits(catalog: Served, ids: str) -> None:
    answer = catalog.http.get("/products/batch", params={"ids": ids})

    assert answer.status_code == 422, answer.text[:300]
    assert answer.json()["detail"]


@pytest.mark.parametrize("table", ["reviews", "users"])
@pytest.mark.parametrize("column", ["author", "review", "json", "reviews"])
def test_a_column_that_the_catalog_does_not_know_changes_no_answer(
    catalog: Served, table: str, column: str
) -> None:
    before = catalog.json("/products/1")
    assert before["reviews"]
    run_sql(catalog.stage.admin_url, f"alter table {table} add column {column} text default 'unknown'")

    seen = catalog.json("/products/1")

    run_sql(catalog.stage.admin_url, f"alter table {table} drop column {column}")
    assert seen == before


def test_the_documentation_needs_no_network(catalog: Served) -> None:
    page = catalog.http.get("/docs").text
    links = LINK.findall(page)

    assert len(links) >= 3, page
    assert [link for link in links if ELSEWHERE.match(link)] == []
    for link in [*links, "/openapi.json"]:
        answer = catalog.http.get(link)
        assert answer.status_code == 200, link
        assert answer.content, link
    assert json.loads(catalog.http.get("/openapi.json").text)["paths"]


@pytest.mark.parametrize("price", ["-0", -0.0, "-0.00"])
def test_a_price_of_minus_zero_is_shown_as_it_is_stored(catalog: Served, price: object) -> None:
    changed = catalog.http.put("/products/40", json={"price": price})

    assert changed.status_code == 200, changed.text
    assert changed.json()["price"] == catalog.json("/products/40")["price"] == "0.00"
