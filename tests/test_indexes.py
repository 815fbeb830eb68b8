"""Which indexes exist, and whether the catalog's own statements use them: R06 and R07."""

import pytest

from tests.conftest import Subject

LEADING = """
select pg_get_indexdef(i.indexrelid) from pg_index i
join pg_class t on t.oid = i.indrelid
join pg_attribute a on a.attrelid = t.oid and a.attnum = i.indkey[0]
where t.relname = %s and a.attname = %s and i.indisvalid and i.indisready and i.indpred is null
"""

MOST_ROWS_OF_ONE_CATEGORY = 12_000
"""Either index is good enough: that of the category, or that of the inactive products."""
FOREIGN_KEYS = [("products", "category_id"), ("reviews", "product_id"), ("inventory", "product_id")]


@pytest.mark.criterion("R06.1")
@pytest.mark.parametrize(("table", "column"), FOREIGN_KEYS)
def test_a_foreign_key_has_an_index(api: Subject, table: str, column: str) -> None:
    assert api.sql(LEADING, table, column), f"no valid index begins with {table}.{column}"


@pytest.mark.criterion("R06.2")
@pytest.mark.parametrize("path", ["/products?limit=10", "/products?limit=10&category_id=6", "/products/4321"])
def test_reviews_and_inventory_are_read_by_index(large: Subject, path: str) -> None:
    with large.observer.counted() as spent:
        large.json(path)
    plans = large.observer.plans(spent)
    scanned = {name for plan in plans for name in plan.sequential_scans()}

    assert not scanned & {"reviews", "inventory"}, f"read from end to end: {scanned}; {spent.explain()}"


@pytest.mark.criterion("R07.1")
def test_is_active_has_an_index(api: Subject) -> None:
    partial = api.sql(
        "select pg_get_indexdef(indexrelid) from pg_index "
        "where indrelid = 'products'::regclass and pg_get_expr(indpred, indrelid) like '%%is_active%%'"
    )

    assert api.sql(LEADING, "products", "is_active") or partial


@pytest.mark.criterion("R07.2")
@pytest.mark.parametrize("filters", ["", "&category_id=8"])
def test_inactive_products_are_found_without_reading_the_active_ones(large: Subject, filters: str) -> None:
    category = " and category_id = 8" if filters else ""
    inactive = large.sql(f"select count(*) from products where not is_active{category}")[0][0]
    with large.observer.counted() as spent:
        large.json(f"/products?is_active=false&limit=2{filters}")
    examined = sum(plan.rows_examined("products") for plan in large.observer.plans(spent))

    room = max(2 * inactive, MOST_ROWS_OF_ONE_CATEGORY if filters else 0)
    assert examined <= room, (
        f"{examined:.0f} rows looked at for {inactive} inactive products; {spent.explain()}"
    )
