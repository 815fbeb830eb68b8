"""Five hundred clients: rounds of every scenario, those of a null server between them."""

import base64
import gzip
import json
import subprocess
import sys
import urllib.request
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import redis

from evaluation.errors import InfrastructureError
from evaluation.measure.scenarios import FIRST_PAGE, VERSION, Scenario, gets, scenarios
from evaluation.measure.work import fetch
from evaluation.records import LoadSample, Round
from evaluation.runtime.expected import expected_products
from evaluation.runtime.server import Server
from evaluation.runtime.workbench import Stage

ROOT = Path(__file__).parents[2]
CLIENTS = 500
ROUNDS = 5
ROUND_S = 0.4
WARM_UP_S = 0.1
PATIENCE_S = 10.0
BASELINE_PATIENCE_S = 30.0
WALK_PAGES = 60


def measure_load(stage: Stage, candidate: Path) -> tuple[LoadSample, ...]:
    """The stampede; then every scenario, unless the stampede shows that there is no use."""
    stampede = measure_stampede(stage, candidate)
    if stampede.outcomes.get("200", 0) < CLIENTS:
        return (stampede,)
    with stage.serving(candidate) as server:
        first = fetch(server, FIRST_PAGE)
        options = ("--null", str(first[1]))
        with stage.serving(candidate, options=options) as null:
            ids = [item["id"] for item in json.loads(first[2])["items"]]
            kinds = scenarios(products_of(stage), ids, far_pages(server), etag_of(server))
            return (stampede, *(measure_scenario(stage, server, null, kind) for kind in kinds))


def measure_stampede(stage: Stage, candidate: Path) -> LoadSample:
    """500 clients on one cold page of a server that has just started; again if they were answered."""
    rounds, outcomes, statements = [], Counter[str](), 0
    kept: list[dict[str, Any]] = []
    cpu = peak = 0.0
    for _ in range(ROUNDS):
        with stage.serving(candidate) as server:
            counters = stage.counters()
            before = counters.snapshot()
            [result] = run_client([stampede_plan(server)])
            statements += sum(work.calls for work in counters.since(before))
            counters.close()
            cpu, peak = cpu + server.cpu_seconds(), max(peak, server.peak_mb())
        outcomes.update(result["outcomes"])
        rounds.append(round_of(result))
        kept += result["kept"]
        forget(stage)
        if result["outcomes"].get("200", 0) < CLIENTS:
            break
    checked, wrong = check_bodies(stage, kept)
    return sample("stampede", outcomes, rounds, [], statements, cpu, peak, checked, wrong)


def stampede_plan(server: Server) -> dict[str, Any]:
    """One request each, latency from when it was sent; nobody is asked twice."""
    return {
        "port": server.port,
        "clients": CLIENTS,
        "requests": gets([FIRST_PAGE]),
        "seconds": BASELINE_PATIENCE_S,
        "stop_after": CLIENTS,
        "patience_s": 0.5,
        "keep_every": 100,
    }


def measure_scenario(stage: Stage, server: Server, null: Server, kind: Scenario) -> LoadSample:
    """Rounds in the order A B B A, candidate and null server, by one client process."""
    order = [server if (number + number // 2) % 2 == 0 else null for number in range(2 * ROUNDS)]
    plans: list[dict[str, Any]] = []
    first = 0
    for target in order:
        requests = kind.requests if target is server else gets([FIRST_PAGE])
        plans.append(
            {
                "port": target.port,
                "clients": CLIENTS,
                "requests": requests,
                "seconds": ROUND_S,
                "first": first if target is server else 0,
                "warm_up_s": WARM_UP_S if plans else max(WARM_UP_S, kind.warm_up_s),
                "patience_s": PATIENCE_S,
                "keep_every": kind.keep_every,
            }
        )
        first += len(kind.requests) // ROUNDS * (target is server)
    counters = stage.counters()
    before, cpu = counters.snapshot(), server.cpu_seconds()
    results = run_client(plans)
    statements = sum(work.calls for work in counters.since(before))
    counters.close()
    mine = [result for result, target in zip(results, order, strict=True) if target is server]
    nulls = [result for result, target in zip(results, order, strict=True) if target is null]
    outcomes = Counter[str]()
    for result in mine:
        outcomes.update(result["outcomes"])
    kept = [one for result in mine for one in result["kept"]]
    checked, wrong = check_bodies(stage, kept) if kind.checked else check_versions(kept)
    return sample(
        kind.name,
        outcomes,
        [round_of(result) for result in mine],
        [round_of(result) for result in nulls],
        statements,
        server.cpu_seconds() - cpu,
        server.peak_mb(),
        checked,
        wrong,
        sent=sum(result["sent"] for result in mine),
    )


def run_client(plans: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Plans to a client process of their own, results back."""
    done = subprocess.run(
        [sys.executable, "-m", "evaluation.measure.client"],
        cwd=ROOT,
        input=json.dumps(plans),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise InfrastructureError(f"the load client broke:\n{done.stderr[-2000:]}")
    results: list[dict[str, Any]] = json.loads(done.stdout)
    return results


def round_of(result: dict[str, Any]) -> Round:
    """What one round comes to."""
    latencies = sorted(result["latencies_ms"])
    seconds = result["seconds"]

    def rank(share: float) -> float | None:
        return round(latencies[int(share * (len(latencies) - 1))], 2) if latencies else None

    return Round(
        requests=len(latencies),
        throughput=round(len(latencies) / seconds, 1),
        p50_ms=rank(0.50),
        p95_ms=rank(0.95),
        p99_ms=rank(0.99),
        max_ms=rank(1.0),
        client_cpu=round(result["cpu_seconds"] / seconds, 3),
    )


def sample(
    name: str,
    outcomes: Counter[str],
    rounds: list[Round],
    null_rounds: list[Round],
    statements: int,
    cpu_s: float,
    peak_mb: float,
    checked: int,
    wrong: int,
    sent: int | None = None,
) -> LoadSample:
    """All rounds of a scenario as one record."""
    sent = sent or sum(outcomes.values())
    return LoadSample(
        scenario=name,
        clients=CLIENTS,
        outcomes=dict(outcomes),
        rounds=tuple(rounds),
        null_rounds=tuple(null_rounds),
        statements_per_request=round(statements / max(1, sent), 4),
        server_cpu_ms_per_request=round(1000 * cpu_s / max(1, sent), 4),
        server_peak_mb=round(peak_mb, 1),
        bodies_checked=checked,
        bodies_wrong=wrong,
    )


def check_bodies(stage: Stage, kept: list[dict[str, Any]]) -> tuple[int, int]:
    """Kept bodies against the tables: how many were looked at, how many are wrong."""
    wrong = 0
    for one in kept:
        seen = json.loads(unpacked(one["body"]))
        items = seen["items"] if isinstance(seen, dict) and "items" in seen else seen
        items = items if isinstance(items, list) else [items]
        wrong += items != expected_products(stage.admin_url, where(one["path"]))
    return len(kept), wrong


def check_versions(kept: list[dict[str, Any]]) -> tuple[int, int]:
    """Kept reads of the first page: none may be older than a write that was answered before they began."""
    reads = [one for one in kept if one["path"] == FIRST_PAGE and one["floor"]]
    return len(reads), sum(is_older(json.loads(unpacked(one["body"])), one["floor"]) for one in reads)


def is_older(page: dict[str, Any], floor: dict[str, int]) -> bool:
    """Whether a product of the page shows less than the version written before the page was asked for."""
    names = {f"/products/{item['id']}": item["name"] for item in page["items"]}
    return any(
        not names[path].startswith(VERSION) or int(names[path].removeprefix(VERSION)) < version
        for path, version in floor.items()
    )


def unpacked(body: str) -> bytes:
    """A kept body, inflated."""
    raw = base64.b64decode(body)
    return gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw


def where(path: str) -> str:
    """The SQL that chooses what a path asks for."""
    parts = urlsplit(path)
    query = {name: values[0] for name, values in parse_qs(parts.query).items()}
    if parts.path == "/products":
        filters = ["is_active" if query.get("is_active", "true") == "true" else "not is_active"]
        filters += [f"category_id = {int(query['category_id'])}"] if "category_id" in query else []
        return f"where {' and '.join(filters)} order by id limit {int(query.get('limit', 20))}"
    ids = [int(number) for number in query.get("ids", parts.path.rpartition("/")[2]).split(",")]
    return f"join unnest(array{ids}) with ordinality as wanted (id, place) using (id) order by place"


def far_pages(server: Server) -> list[str]:
    """The later half of a walk through one category, as the candidate spells it."""
    found, path = [], "/products?limit=20&category_id=11"
    for _ in range(WALK_PAGES):
        found.append(path)
        _, _, body = fetch(server, path)
        path = json.loads(body)["next"]
        if not path:
            break
    return found[len(found) // 2 :]


def etag_of(server: Server) -> str:
    """The tag of the first page, or one that never matches."""
    return fetch_header(server, FIRST_PAGE, "etag") or '"none"'


def fetch_header(server: Server, path: str, name: str) -> str | None:
    """One header of a GET."""
    with urllib.request.urlopen(server.url + path, timeout=60) as answer:
        value: str | None = answer.headers.get(name)
        return value


def products_of(stage: Stage) -> int:
    """How many products there are."""
    return int(expected_products(stage.admin_url, "order by id desc limit 1")[0]["id"])


def forget(stage: Stage) -> None:
    """Empty the stage's Redis database, so that the next server starts cold."""
    with redis.Redis.from_url(stage.redis_url) as client:
        client.flushdb()
