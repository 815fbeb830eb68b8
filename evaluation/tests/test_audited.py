"""What the suite's auditor takes for right: seen on the reference, which is."""

from collections.abc import Iterator

import pytest

from evaluation.database.dataset import SIZES
from evaluation.serving.workbench import Workbench
from evaluation.tests.served import REFERENCE
from tests.conftest import AUDITOR, Subject, subject_on

NEW = 'POST /products {"name": "New", "price": "1.00", "category_id": 1}'


@pytest.fixture
def subject(bench: Workbench) -> Iterator[Subject]:
    """The reference with 2 000 products, audited."""
    with bench.stage(SIZES["small"], with_plans=True) as stage, subject_on(stage, REFERENCE) as subject:
        yield subject


def test_writes_that_were_not_judged_may_be_missing_from_a_total_for_a_minute(subject: Subject) -> None:
    [unjudged] = subject.burst(["/products?limit=1&category_id=1"], 30).exchanges
    told = unjudged.json()["total"]
    broken = AUDITOR.broken.copy()

    assert subject.burst([NEW] * 2 * told, 30).outcomes == {"201": 2 * told}
    assert subject.json("/products?limit=2&category_id=1")["total"] == told

    assert broken == AUDITOR.broken, list(AUDITOR.wrong.values())


def test_rows_that_were_read_before_writes_that_were_not_judged_are_read_again(subject: Subject) -> None:
    [product] = subject.json("/products/batch?ids=7")
    broken = AUDITOR.broken.copy()

    assert subject.burst([f'PUT /products/7 {{"name": "Not {product["id"]}"}}'], 30).outcomes == {"200": 1}
    assert subject.json("/products/batch?ids=7")[0]["name"] == "Not 7"

    assert broken == AUDITOR.broken, list(AUDITOR.wrong.values())
