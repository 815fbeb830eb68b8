"""Which indexes exist, and whether the catalog's own statements use them: R06 and R07."""

from collections.abc import Callable

import pytest

from tests.conftest import Subject

LEADING = """
select pg_get_indexdef(i.indexrelid) from pg_index i
join pg_class t on t.oid = i.indrelid
join pg_attribute a on a.attrelid = t.oid and a.attnum = i.indkey[0]
where t.relname = %s and a.attname = %s and i.indisvalid and i.indisready and i.indpred is null
"""

FOREIGN_KEYS = [("products", "category_id"), ("reviews", "product_id"), ("inventory", "product_id")]


@pytest.mark.requirement("R06")
@pytest.mark.parametrize(("table", "column"), FOREIGN_KEYS)
def test_a_foreign_key_has_an_index(api: Subject, table: str, column: str) -> None:
    assert api.sql(LEADING, table, column), f"no valid index begins with {table}.{column}"


@pytest.mark.requirement("R06")
def test_a_listing_reads_reviews_and_inventory_by_index(
    api: Subject, cold_page: Callable[[int], str]
) -> None:
    with api.observer.counted() as spent:
        api.json(cold_page(10))
    scanned = {name for plan in api.observer.plans(spent) for name in plan.sequential_scans()}

    assert not scanned & {"reviews", "inventory"}, f"read completely: {scanned}"


@pytest.mark.requirement("R07")
def test_is_active_has_an_index(api: Subject) -> None:
    partial = api.sql(
        "select pg_get_indexdef(indexrelid) from pg_index "
        "where indrelid = 'products'::regclass and pg_get_expr(indpred, indrelid) like '%%is_active%%'"
    )

    assert api.sql(LEADING, "products", "is_active") or partial


@pytest.mark.requirement("R07")
def test_inactive_products_are_found_without_reading_the_active_ones(api: Subject) -> None:
    with api.observer.counted() as spent:
        total = api.json("/products?is_active=false&limit=2")["total"]
    examined = sum(plan.rows_examined("products") for plan in api.observer.plans(spent))

    assert 150 <= total <= 250
    assert examined <= 2 * total, f"{examined:.0f} rows examined for {total} inactive products"
