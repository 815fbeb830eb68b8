"""The load scenarios as data: their requests, in an order that one seed fixes for every candidate."""

import json
from dataclasses import dataclass
from itertools import product
from random import Random
from typing import Any

from evaluation.measure.yardsticks import BATCH_AS_JSON, PAGE_AS_JSON, PRODUCT_AS_JSON

SEED = 847
ROUNDS = 5
CLIENTS = 500
FEW_CLIENTS = 50
OPEN_RATE_PER_S = 2_000.0
LONG_S = 60.0
FIRST_PAGE = "/products?limit=20"
REQUESTS = 20_000
POPULAR_PAGES = 2_000
ZIPF = 1.1
WRITE_SHARE = 0.05
VERSION = "Version "


@dataclass(frozen=True, slots=True)
class Scenario:
    """Requests in the form of `traffic.Request`, and how they are sent.

    `checked` is true when kept bodies can be compared with the tables. `warm_up_s` precedes the first round
    and is not measured. With `rate_per_s` the loop is open: requests are due at that rate, whether or not
    earlier ones were answered. `floor` is the statement that makes the same answers as JSON.
    """

    name: str
    requests: list[dict[str, Any]]
    checked: bool = True
    keep_every: int = 2_000
    warm_up_s: float = 0.0
    round_s: float = 0.3
    rounds: int = ROUNDS
    clients: int = CLIENTS
    rate_per_s: float | None = None
    processes: int = 1
    beside_null: bool = True
    floor: "Floor | None" = None


@dataclass(frozen=True, slots=True)
class Floor:
    """One statement, and its arguments for each of the requests of a scenario, in the same order."""

    statement: str
    arguments: list[list[Any]]


def filters(limits: range) -> list[tuple[int, int, bool]]:
    """Limit, category and activity of many different listings, in an order that the seed fixes."""
    found = list(product(limits, range(1, 43), (True, False)))
    Random(SEED).shuffle(found)
    return found


def listings(limits: range) -> list[str]:
    """Paths of the listings that these filters name."""
    return [
        f"/products?limit={limit}&category_id={category}&is_active={str(active).lower()}"
        for limit, category, active in filters(limits)
    ]


def gets(paths: list[str], **headers: str) -> list[dict[str, Any]]:
    """GET requests."""
    return [{"path": path, "headers": headers} for path in paths]


def popular_paths() -> list[str]:
    """Paths drawn from 2 000 listings with a Zipf distribution: few are popular, most are rare."""
    pages = listings(range(5, 30))[:POPULAR_PAGES]
    weights = [1 / rank**ZIPF for rank in range(1, len(pages) + 1)]
    return Random(SEED).choices(pages, weights, k=REQUESTS)


def mixed_requests(first_ids: list[int]) -> list[dict[str, Any]]:
    """Reads of the first page, and 5 % writes to its products; every write has a higher version."""
    generator = Random(SEED)
    requests: list[dict[str, Any]] = []
    for version in range(1, REQUESTS + 1):
        if generator.random() < WRITE_SHARE:
            path = f"/products/{generator.choice(first_ids)}"
            body = json.dumps({"name": f"{VERSION}{version}"})
            requests.append({"path": path, "method": "PUT", "body": body, "write": version})
        else:
            requests.append({"path": FIRST_PAGE})
    return requests


def scenarios(products: int, first_ids: list[int], far_pages: list[str], etag: str) -> list[Scenario]:
    """All scenarios that run on a warm server; `load.py` adds those that need a fresh one."""
    generator = Random(SEED)
    ids = [generator.randrange(1, products + 1) for _ in range(REQUESTS)]
    batches = [generator.sample(range(1, products + 1), 20) for _ in range(500)]
    cold = range(30, 101)
    return [
        # The scenario that decides R01 has more rounds: a shared machine can be slow for seconds at a time.
        Scenario("hot", gets([FIRST_PAGE]), round_s=0.4, rounds=11),
        Scenario("hot_two_processes", gets([FIRST_PAGE]), processes=2),
        Scenario("hot_open_loop", gets([FIRST_PAGE]), rate_per_s=OPEN_RATE_PER_S),
        Scenario("hot_one_client", gets([FIRST_PAGE]), clients=1),
        Scenario("revalidate", gets([FIRST_PAGE], **{"If-None-Match": etag}), checked=False),
        Scenario("popular", gets(popular_paths()), warm_up_s=8.0, round_s=1.0),
        Scenario("deep", gets(far_pages), checked=False),
        beside_floor(
            "detail", [f"/products/{number}" for number in ids], PRODUCT_AS_JSON, [[n] for n in ids]
        ),
        beside_floor("batch", list(map(batch_path, batches)), BATCH_AS_JSON, [[one] for one in batches]),
        beside_floor(
            "cold", listings(cold), PAGE_AS_JSON, [[one, on, limit] for limit, one, on in filters(cold)]
        ),
        Scenario("mixed", mixed_requests(first_ids), checked=False, keep_every=20),
    ]


def beside_floor(name: str, paths: list[str], statement: str, arguments: list[list[Any]]) -> Scenario:
    """What no cache holds, by few clients, beside the statement that makes the same answers."""
    floor = Floor(statement, arguments)
    return Scenario(name, gets(paths), clients=FEW_CLIENTS, beside_null=False, floor=floor)


def batch_path(ids: list[int]) -> str:
    """The path of a batch."""
    return f"/products/batch?ids={','.join(map(str, ids))}"
