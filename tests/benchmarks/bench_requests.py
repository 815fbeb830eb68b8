"""Times single requests of one client: a cold page, a warm page, a 304, a product, a batch of a hundred."""

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from evaluation.database.dataset import SIZES
from evaluation.serving.workbench import Workbench
from tests.conftest import Subject, subject_on

Benchmark = Callable[..., Any]


@pytest.fixture(scope="module")
def standard(bench: Workbench, candidate: Path) -> Iterator[Subject]:
    """The candidate with the standard dataset."""
    with bench.stage(SIZES["standard"]) as stage, subject_on(stage, candidate) as subject:
        yield subject


def get(subject: Subject, path: str, status: int = 200, **headers: str) -> None:
    """GET a path; the answer must have this status."""
    assert subject.get(path, **headers).status_code == status


def bench_cold_page(standard: Subject, benchmark: Benchmark) -> None:
    numbers = count(1)
    benchmark.pedantic(  # type: ignore[attr-defined]
        lambda: get(standard, f"/products?limit=20&category_id={next(numbers)}"), rounds=40, iterations=1
    )


def bench_warm_page(standard: Subject, benchmark: Benchmark) -> None:
    benchmark(lambda: get(standard, "/products"))


def bench_not_modified(standard: Subject, benchmark: Benchmark) -> None:
    etag = standard.get("/products").headers.get("etag")
    if etag is None:
        pytest.skip("this candidate sends no ETag")
    benchmark(lambda: get(standard, "/products", 304, if_none_match=etag))


def bench_product(standard: Subject, benchmark: Benchmark) -> None:
    numbers = count(1000)
    benchmark(lambda: get(standard, f"/products/{next(numbers)}"))


def bench_batch_of_a_hundred(standard: Subject, benchmark: Benchmark) -> None:
    ids = ",".join(str(number) for number in range(5000, 5100))
    benchmark(lambda: get(standard, f"/products/batch?ids={ids}"))
