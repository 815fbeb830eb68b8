"""What only the reference promises of plans: a category costs what is on its page, wherever that lies."""

from evaluation.database.dataset import SIZES
from evaluation.serving.workbench import Workbench
from evaluation.tests.served import REFERENCE
from tests.conftest import subject_on

PAGE, LOOKED_AT = 20, 100
NEWEST = "update products set category_id = %s where id > (select max(id) - 2500 from products)"


def test_a_page_of_the_newest_category_looks_at_no_products_of_others(bench: Workbench) -> None:
    with bench.stage(SIZES["standard"], with_plans=True) as stage, subject_on(stage, REFERENCE) as subject:
        [(category,)] = subject.sql(
            "insert into categories (name, description) values ('New', '') returning id"
        )
        subject.sql(NEWEST, category)
        subject.sql("analyze products")
        path = f"/products?category_id={category}"
        # The total is counted for this one.
        subject.json(f"{path}&limit=1")

        with subject.observer.counted() as spent:
            subject.json(f"{path}&limit={PAGE}")

    examined = sum(plan.rows_examined("products") for plan in spent.plans())
    assert 0 < examined <= LOOKED_AT, spent.explain()
