"""What a request costs with 100 000 products: R02, R06, R07, R08, R10 and R11."""

import itertools
import statistics
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from evaluation.database.plans import tell_no_plans, tell_plans
from tests.audit.bodies import relative
from tests.conftest import Subject
from tests.observing import BUDGET, Spent
from tests.waiting import cut_off
from tests.walking import assert_walkable, counted_pages

MOST_ROWS_OF_ONE_CATEGORY = 12_000
"""Either index is good enough: that of the category, or that of the inactive products."""

FEW_ROWS = 200
LISTED = {
    "": "select count(*) from products where is_active",
    "&is_active=false": "select count(*) from products where not is_active",
    "&category_id=7": "select count(*) from products where is_active and category_id = 7",
}
"""How many products there are behind each filter."""


@pytest.mark.criterion("R02.1")
@pytest.mark.parametrize("limit", [5, 20, 100])
def test_a_cold_listing_costs_the_same_few_statements_at_any_page_size(
    api: Subject, grown: Subject, large: Subject, cold_page: Callable[[int], str], limit: int
) -> None:
    for subject in (api, grown, large):
        for path in (cold_page(limit), f"/products?limit={limit}&is_active=false"):
            with subject.observer.counted() as spent:
                subject.json(path)

            assert spent.total < BUDGET, spent.explain()


@pytest.mark.criterion("R02.2")
def test_the_categories_and_a_batch_cost_few_statements(large: Subject) -> None:
    batches = [",".join(str(n) for n in range(601, 601 + size)) for size in (20, 100)]
    for path in ("/categories", *(f"/products/batch?ids={ids}" for ids in batches)):
        with large.observer.counted() as spent:
            large.json(path)

        assert spent.total < BUDGET, spent.explain()


@pytest.mark.criterion("R06.2")
@pytest.mark.parametrize(
    "path",
    [
        "/products?limit=10",
        "/products?limit=10&category_id=6",
        "/products/4321",
        "/products/batch?ids=4321,8642,12963,55,600",
    ],
)
def test_reviews_and_inventory_are_read_by_index(large: Subject, path: str) -> None:
    with large.observer.counted() as spent:
        large.json(path)

    assert_few_rows(large, spent)


@pytest.mark.criterion("R06.2")
def test_no_page_of_a_large_category_reads_many_reviews(large: Subject) -> None:
    # The first page is a small one: where every page is dear, this is told soon.
    # The last one lies far apart: where all reviews in between are read, they are many.
    for query, number in (("limit=1", 1), ("limit=100", 20), ("limit=30&is_active=false", 1)):
        walk = counted_pages(large, f"/products?{query}&category_id=12")
        for _, spent in itertools.islice(walk, number):
            assert_few_rows(large, spent)


def assert_few_rows(large: Subject, spent: Spent) -> None:
    """Neither a sequential scan of reviews or inventory, nor a tenth of their rows by an index."""
    plans = spent.plans()
    for table in ("reviews", "inventory"):
        assert all(table not in plan.sequential_scans() for plan in plans), (
            f"{table} is read from end to end; {spent.explain()}"
        )
        examined = sum(plan.rows_examined(table) for plan in plans)
        room = large.sql(f"select count(*) from {table}")[0][0] / 10
        assert examined < room, f"{examined:.0f} rows of {table} looked at; {spent.explain()}"


@pytest.mark.criterion("R07.2")
@pytest.mark.parametrize("filters", ["", "&category_id=8"])
def test_inactive_products_are_found_without_reading_the_active_ones(large: Subject, filters: str) -> None:
    category = " and category_id = 8" if filters else ""
    inactive = large.sql(f"select count(*) from products where not is_active{category}")[0][0]
    with large.observer.counted() as spent:
        large.json(f"/products?is_active=false&limit=2{filters}")
    examined = sum(plan.rows_examined("products") for plan in spent.plans())

    room = max(2 * inactive, MOST_ROWS_OF_ONE_CATEGORY if filters else 0)
    assert examined <= room, (
        f"{examined:.0f} rows looked at for {inactive} inactive products; {spent.explain()}"
    )


@pytest.mark.criterion("R11.1")
def test_no_page_of_the_inactive_products_of_a_category_looks_at_more_than_either_filter_lets_through(
    large: Subject,
) -> None:
    walk = counted_pages(large, "/products?limit=20&is_active=false&category_id=9")
    further = 0
    for _, spent in itertools.islice(walk, 1, None):
        further += 1
        examined = sum(plan.rows_examined("products") for plan in spent.plans())

        assert examined <= MOST_ROWS_OF_ONE_CATEGORY, f"{examined:.0f} rows; {spent.explain()}"
    assert further > 5


@pytest.mark.criterion("R08.1")
def test_far_pages_cost_nothing_when_they_are_asked_for_again(large: Subject) -> None:
    path = "/products?limit=100&category_id=13"
    # The first page is a small one: where no page is kept, this is told soon.
    assert_free_again(large, "/products?limit=1&category_id=13")
    for _ in range(20):
        link = assert_free_again(large, path)
        if link is None:
            break
        path = relative(link)


def assert_free_again(large: Subject, path: str) -> str | None:
    """A page that was asked for before costs no statement; its link to the next page."""
    link: str | None = large.json(path)["next"]
    with large.observer.counted() as spent:
        large.json(path)

    assert spent.total == 0, f"{path}: {spent.explain()}"
    return link


@pytest.mark.criterion("R10.3")
def test_the_last_pages_of_a_large_category_touch_no_more_buffers_than_the_first(large: Subject) -> None:
    assert_walkable(large, "category_id=11")
    walk = counted_pages(large, "/products?limit=100&category_id=11")
    # As in production: nothing tells a session that its plans are looked at.
    with plans_untold(large):
        buffers = [sum(work.buffers for work in spent.counted) for _, spent in walk]

    assert len(buffers) > 20
    # The very first page may pay for what a new connection looks up, the very last one is short.
    early, late = statistics.median(buffers[1:4]), statistics.median(buffers[-4:-1])
    assert late <= 1.5 * early, f"buffers, page by page: {buffers}"


@contextmanager
def plans_untold(subject: Subject) -> Iterator[None]:
    """New sessions of the candidate, which have to tell no plans until the block ends."""
    admin_url, role = subject.stage.counters_url, subject.stage.role
    tell_no_plans(admin_url, role)
    cut_off(subject)
    try:
        yield
    finally:
        tell_plans(admin_url, role)
        cut_off(subject)


@pytest.mark.criterion("R11.1")
@pytest.mark.parametrize("filters", list(LISTED))
def test_the_total_is_not_counted_again_for_every_page(large: Subject, filters: str) -> None:
    first = large.json(f"/products?limit=1{filters}")
    # Who counts looks at the whole listing. Who walks along the key passes products of other categories.
    room = max(FEW_ROWS, large.sql(LISTED[filters])[0][0] / 2)

    for path in (f"/products?limit=2{filters}", first["next"]):
        with large.observer.counted() as spent:
            large.json(path)
        plans = spent.plans()
        examined = sum(plan.rows_examined("products") for plan in plans)

        assert examined < room, f"{examined:.0f} rows of products for a page of 2; {spent.explain()}"
