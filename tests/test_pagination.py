"""Walking through the catalog: R10."""

import re
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from evaluation.database.dataset import SIZES
from evaluation.database.plans import QueryPlan
from evaluation.serving.workbench import Workbench
from tests.audit.bodies import relative
from tests.conftest import EMPTY_CATEGORY, Subject, holding_table, subject_on
from tests.observing import until
from tests.walking import assert_walkable, counted_pages, pages

WAITS_S = 15.0
GROWTH = {"products": 1.5, "inventory": 3.0}
FIRST_PAGES, FEW_ROWS, SHARE = 2, 200, 4
"""Postgres chooses another plan where less is left behind a page, which may look at some rows more for each
product: that is no growth with the depth. Whoever passes all that lies before looks at the whole listing."""
LISTINGS = ["is_active=false&limit=100", "limit=100&category_id=11", "limit=20&category_id=5&is_active=false"]


@pytest.mark.criterion("R10.1")
@pytest.mark.parametrize("query", LISTINGS)
def test_the_last_page_looks_at_no_more_rows_than_the_first(large: Subject, query: str) -> None:
    assert_walkable(large, re.sub(r"limit=\d+&?", "", query))
    listed = 0
    costs: dict[str, list[float]] = {table: [] for table in GROWTH}
    counts: dict[str, list[QueryPlan]] = defaultdict(list)
    for page, spent in counted_pages(large, f"/products?{query}"):
        listed += len(page["items"])
        plans = spent.plans()
        if len(costs["products"]) < FIRST_PAGES:
            for plan in plans:
                counts[without_numbers(plan.sql)].append(plan)
        plans = [plan for plan in plans if not is_known_count(plan, counts[without_numbers(plan.sql)])]
        for table, rows in costs.items():
            rows.append(sum(plan.rows_examined(table) for plan in plans))

    assert len(costs["products"]) >= 5
    for table, rows in costs.items():
        most = GROWTH[table] * max(rows[:FIRST_PAGES]) + max(FEW_ROWS, listed / SHARE)
        assert max(rows) <= most, f"rows of {table} looked at, page by page: {rows[:3]} ... {rows[-20:]}"


def without_numbers(sql: str) -> str:
    """A statement as it is for every page."""
    return re.sub(r"\d+", "", sql)


def is_known_count(plan: QueryPlan, first: list[QueryPlan]) -> bool:
    """Whether a statement counts as it did for the first pages, and looks at no more rows: that is R11."""
    return plan.is_a_count() and any(
        all(
            plan.rows_examined(table) <= growth * one.rows_examined(table) + FEW_ROWS
            for table, growth in GROWTH.items()
        )
        for one in first
    )


@pytest.mark.criterion("R10.2")
def test_a_walk_sees_each_product_once_while_others_come_and_go(shared: Subject) -> None:
    listing = f"/products?category_id={EMPTY_CATEGORY}&limit=3"
    made = [shared.new_product(category_id=EMPTY_CATEGORY)["id"] for _ in range(4)]
    shared.json(listing)  # the total may be kept from here on
    made += [shared.new_product(category_id=EMPTY_CATEGORY)["id"] for _ in range(7)]
    deleted: set[int] = set()
    seen: list[int] = []

    for page in pages(shared, listing):
        found = [item["id"] for item in page["items"]]
        seen += found
        if len(deleted) < 4:
            # The page's last product, behind which the next page begins, and one that is still to come;
            # never the next one, which a page that begins too late would leave out.
            for product in (found[-1], sorted(set(made) - set(seen) - deleted)[1]):
                shared.http.delete(f"/products/{product}").raise_for_status()
                deleted.add(product)
            made.append(shared.new_product(category_id=EMPTY_CATEGORY)["id"])

    lasting = [product for product in made if product not in deleted]
    assert [product for product in seen if product in lasting] == lasting
    assert seen == sorted(set(seen))


GOES = {
    "categories": "delete from products where id = %s",
    "reviews": "update products set is_active = false where id = %s",
    "inventory": "update products set is_active = false where id = %s",
}
"""A table that a page waits for, and how a product of the page can go meanwhile."""


@pytest.mark.criterion("R10.2")
def test_a_product_that_goes_while_its_page_is_read_ends_no_walk(own: Subject) -> None:
    ids = [own.new_product(category_id=EMPTY_CATEGORY)["id"] for _ in range(16)]
    for limit, (table, goes) in enumerate(GOES.items(), start=3):
        first = own.json(f"/products?limit={limit}&category_id={EMPTY_CATEGORY}")
        second = relative(first["next"])
        with ThreadPoolExecutor(1) as executor, holding_table(own, table) as waiting:
            asked = executor.submit(own.burst, [second], WAITS_S)
            until(lambda: waiting() or asked.done())  # noqa: B023
            own.sql(goes, gone := ids.pop(limit + 1))
        [exchange] = asked.result().exchanges
        shown = [item["id"] for item in [*first["items"], *exchange.json()["items"]]]

        link = exchange.json()["next"]
        assert link, f"the page from which {gone} went, while it waited for {table}, is the last one"
        shown += [item["id"] for page in pages(own, relative(link)) for item in page["items"]]
        assert [number for number in shown if number != gone] == ids, f"{gone} went"


@pytest.fixture(scope="module")
def sparse(bench: Workbench, candidate: Path) -> Iterator[Subject]:
    """The candidate with the first and the last 60 of 2 000 products, which are walked through quickly."""
    with bench.stage(SIZES["small"], with_plans=True) as stage:
        with psycopg.connect(stage.admin_url, autocommit=True) as connection:
            connection.execute("delete from products where id between 61 and 1940")
            connection.execute("analyze products")  # as autovacuum would: the total may be an estimate
        with subject_on(stage, candidate) as subject:
            yield subject


@pytest.mark.criterion("API.4")
@pytest.mark.parametrize(
    ("query", "where"),
    [
        ("", "is_active"),
        ("&category_id=3", "is_active and category_id = 3"),
        ("&is_active=false", "not is_active"),
        ("&category_id=3&is_active=false", "not is_active and category_id = 3"),
    ],
    ids=["all", "category_id=3", "is_active=false", "category_id=3&is_active=false"],
)
def test_following_next_leads_through_all_products_in_order(sparse: Subject, query: str, where: str) -> None:
    expected = [row[0] for row in sparse.sql(f"select id from products where {where} order by id")]

    for limit in (50, 1 if len(expected) < 20 else 13):
        walked = list(pages(sparse, f"/products?limit={limit}{query}"))

        assert [item["id"] for page in walked for item in page["items"]] == expected
        assert [len(page["items"]) for page in walked[:-1]] == [limit] * (len(walked) - 1)


@pytest.mark.criterion("API.4")
def test_an_empty_listing_has_no_next(api: Subject) -> None:
    page = api.json("/products?category_id=41&is_active=false&limit=100")

    assert page["next"] is None
    assert api.json("/products?category_id=40000")["items"] == []
