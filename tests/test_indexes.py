"""Which indexes exist, and whether the catalog's own statements use them: R06 and R07."""

import pytest

from tests.conftest import Subject

LEADING = """
select pg_get_indexdef(i.indexrelid) from pg_index i
join pg_class t on t.oid = i.indrelid
join pg_attribute a on a.attrelid = t.oid and a.attnum = i.indkey[0]
where t.relname = %s and a.attname = %s and i.indisvalid and i.indisready and i.indpred is null
"""

FOREIGN_KEYS = [("products", "category_id"), ("reviews", "product_id"), ("inventory", "product_id")]


@pytest.mark.criterion("R06.1")
@pytest.mark.parametrize(("table", "column"), FOREIGN_KEYS)
def test_a_foreign_key_has_an_index(api: Subject, table: str, column: str) -> None:
    assert api.sql(LEADING, table, column), f"no valid index begins with {table}.{column}"


@pytest.mark.criterion("R07.1")
def test_is_active_has_an_index(api: Subject) -> None:
    partial = api.sql(
        "select pg_get_indexdef(indexrelid) from pg_index "
        "where indrelid = 'products'::regclass and pg_get_expr(indpred, indrelid) like '%%is_active%%'"
    )

    assert api.sql(LEADING, "products", "is_active") or partial
