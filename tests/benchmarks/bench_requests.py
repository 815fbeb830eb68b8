"""Times single requests of one client: a cold page, a warm page, a 304, a product, a batch of a hundred."""

from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from evaluation.database.dataset import SIZES
from evaluation.serving.connection import Connection
from evaluation.serving.workbench import Workbench

Benchmark = Callable[..., Any]


@pytest.fixture(scope="module")
def client(bench: Workbench, candidate: Path) -> Iterator[Connection]:
    """A connection to the candidate with the standard dataset; nothing stands between."""
    with (
        bench.stage(SIZES["standard"]) as stage,
        stage.serving(candidate) as server,
        closing(Connection(server.port)) as connection,
    ):
        yield connection


def get(client: Connection, path: str, status: int = 200, headers: dict[str, str] | None = None) -> None:
    """GET a path; the answer must have this status."""
    assert client.get(path, headers).status == status


def bench_cold_page(client: Connection, benchmark: Benchmark) -> None:
    numbers = count(1)
    benchmark.pedantic(  # type: ignore[attr-defined]
        lambda: get(client, f"/products?limit=20&category_id={next(numbers)}"), rounds=40, iterations=1
    )


def bench_warm_page(client: Connection, benchmark: Benchmark) -> None:
    benchmark(lambda: get(client, "/products"))


def bench_not_modified(client: Connection, benchmark: Benchmark) -> None:
    etag = client.get("/products").headers.get("etag")
    if etag is None:
        pytest.skip("this candidate sends no ETag")
    benchmark(lambda: get(client, "/products", 304, {"If-None-Match": etag}))


def bench_product(client: Connection, benchmark: Benchmark) -> None:
    numbers = count(1000)
    benchmark(lambda: get(client, f"/products/{next(numbers)}"))


def bench_batch_of_a_hundred(client: Connection, benchmark: Benchmark) -> None:
    ids = ",".join(str(number) for number in range(5000, 5100))
    benchmark(lambda: get(client, f"/products/batch?ids={ids}"))
