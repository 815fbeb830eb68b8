"""Kinds of traffic as data: which requests, in which order; the same for every candidate, from one seed."""

import json
from dataclasses import dataclass
from itertools import product
from random import Random
from typing import Any

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
    """Requests as `client.Request` takes them; `checked` when kept bodies can be held against the tables.

    `warm_up_s` is for the first round alone, and is not measured. With a rate the loop is open: requests are
    due whether or not those before them were answered.
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


def listings(limits: range) -> list[str]:
    """Many different listings, in one shuffled order."""
    paths = [
        f"/products?limit={limit}&category_id={category}&is_active={active}"
        for limit, category, active in product(limits, range(1, 43), ("true", "false"))
    ]
    Random(SEED).shuffle(paths)
    return paths


def gets(paths: list[str], **headers: str) -> list[dict[str, Any]]:
    """Plain reads."""
    return [{"path": path, "headers": headers} for path in paths]


def popular_paths() -> list[str]:
    """A few listings often, many seldom: Zipf over 2 000 of them."""
    pages = listings(range(5, 30))[:POPULAR_PAGES]
    weights = [1 / rank**ZIPF for rank in range(1, len(pages) + 1)]
    return Random(SEED).choices(pages, weights, k=REQUESTS)


def mixed_requests(first_ids: list[int]) -> list[dict[str, Any]]:
    """Nineteen reads of the first page to one write of a product on it; the names written count upwards."""
    chance = Random(SEED)
    requests: list[dict[str, Any]] = []
    for version in range(1, REQUESTS + 1):
        if chance.random() < WRITE_SHARE:
            path = f"/products/{chance.choice(first_ids)}"
            body = json.dumps({"name": f"{VERSION}{version}"})
            requests.append({"path": path, "method": "PUT", "body": body, "write": version})
        else:
            requests.append({"path": FIRST_PAGE})
    return requests


def scenarios(products: int, first_ids: list[int], far_pages: list[str], etag: str) -> list[Scenario]:
    """All that need nothing but a running server; `stampede` and the baseline's burst want a fresh one."""
    chance = Random(SEED)
    ids = [chance.randrange(1, products + 1) for _ in range(REQUESTS)]
    batches = [",".join(str(n) for n in chance.sample(range(1, products + 1), 20)) for _ in range(500)]
    return [
        # The headline has more rounds than others: a shared machine is slow for seconds at a time.
        Scenario("hot", gets([FIRST_PAGE]), round_s=0.4, rounds=11),
        Scenario("hot_two_processes", gets([FIRST_PAGE]), processes=2),
        Scenario("hot_open_loop", gets([FIRST_PAGE]), rate_per_s=OPEN_RATE_PER_S),
        Scenario("hot_one_client", gets([FIRST_PAGE]), clients=1),
        Scenario("revalidate", gets([FIRST_PAGE], **{"If-None-Match": etag}), checked=False),
        Scenario("popular", gets(popular_paths()), warm_up_s=8.0, round_s=1.0),
        Scenario("deep", gets(far_pages), checked=False),
        Scenario(
            "detail", gets([f"/products/{number}" for number in ids]), clients=FEW_CLIENTS, beside_null=False
        ),
        Scenario(
            "batch",
            gets([f"/products/batch?ids={batch}" for batch in batches]),
            clients=FEW_CLIENTS,
            beside_null=False,
        ),
        Scenario("cold", gets(listings(range(30, 101))), clients=FEW_CLIENTS, beside_null=False),
        Scenario("mixed", mixed_requests(first_ids), checked=False, keep_every=20),
    ]
