"""Measures load: rounds of every scenario, alternating with rounds of the null server."""

import asyncio
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from evaluation.database.expected import expected_products
from evaluation.measure.answers import check_bodies, check_versions
from evaluation.measure.cold import empty_cache, first_page, measure_cold_page, measure_stampede
from evaluation.measure.histograms import histograms_of
from evaluation.measure.rounds import round_of, run_client, run_observed, sample
from evaluation.measure.scenarios import (
    CLIENTS,
    FIRST_PAGE,
    LONG_S,
    Scenario,
    gets,
    popular_paths,
    scenarios,
)
from evaluation.measure.settings import Progress
from evaluation.measure.walks import read_page
from evaluation.measure.yardsticks import ceiling
from evaluation.records import CpuCost, LoadSample
from evaluation.serving.connection import AnswerError, Connection
from evaluation.serving.server import Server
from evaluation.serving.workbench import Stage

FEW_ROUNDS = 2
WARM_UP_S = 0.1
PATIENCE_S = 10.0
PROBE_S = 0.3
WARM_S = 5.0
MOST = 0.8
"""A candidate that fails the stampede is timed all the same when it answers this share on a warm page."""
WALK_PAGES = 60


def measure_load(stage: Stage, candidate: Path, cost: CpuCost, progress: Progress) -> tuple[LoadSample, ...]:
    """Measure the stampede; if its clients or those of a warm page were answered, all other scenarios too.

    `cost` is what a warm answer was seen to cost. Where the stampede fails, it is not measured with two
    processes. Every scenario is told before it begins.
    """
    stampede = measure_stampede(stage, candidate, progress, processes=1)
    cold = [stampede]
    if stampede.outcomes.get("200", 0) >= CLIENTS:
        cold.append(measure_stampede(stage, candidate, progress, processes=2, rounds=FEW_ROUNDS))
    elif not (is_hopeful(cost) and answers_warm(stage, candidate)):
        return (stampede,)
    return (*cold, *measure_warm(stage, candidate, progress))


def is_hopeful(cost: CpuCost) -> bool:
    """Whether the CPU time of a warm answer lets one process answer all clients within a few seconds."""
    return cost.candidate_us is not None and CLIENTS * cost.candidate_us < 1e6 * WARM_S


def answers_warm(stage: Stage, candidate: Path) -> bool:
    """Whether a fresh process makes the first page warm, and then answers most of 500 clients."""
    empty_cache(stage)
    with stage.serving(candidate) as server:
        with closing(Connection(server.port, WARM_S)) as connection:
            try:
                statuses = {connection.get(FIRST_PAGE).status for _ in range(2)}
            except AnswerError:
                return False
        if statuses != {200}:
            return False
        [result] = run_client([warm_plan(server)])
    outcomes = Counter(result["outcomes"])
    return (outcomes["200"] + outcomes["304"]) >= MOST * outcomes.total() > 0


def warm_plan(server: Server) -> dict[str, Any]:
    """The plan of a short round of 500 clients on a page that is warm."""
    return {
        "ports": [server.port],
        "clients": CLIENTS,
        "requests": gets([FIRST_PAGE]),
        "seconds": PROBE_S,
        "patience_s": WARM_S,
    }


def measure_warm(stage: Stage, candidate: Path, progress: Progress) -> tuple[LoadSample, ...]:
    """Measure all scenarios that run on servers that are up."""
    with stage.serving(candidate) as server, stage.serving(candidate) as second:
        page = first_page(server).sent
        progress(f"{candidate.name}: load: cold_page_one_client")
        cold = asyncio.run(measure_cold_page(stage, server))
        ids = list(read_page(server, FIRST_PAGE).ids)
        kinds = scenarios(products_of(stage), ids, far_pages(server), etag_of(server))
        with (
            stage.serving(candidate, options=("--null", str(len(page)))) as null,
            ceiling(page, stage.folder, stage.cleaner) as nginx,
        ):
            targets = Targets(stage, (server, second), null, nginx)
            samples = [cold]
            for kind in kinds:
                progress(f"{candidate.name}: load: {kind.name}")
                samples.append(measure_scenario(targets, kind))
            return tuple(samples)


def measure_long(stage: Stage, candidate: Path) -> tuple[LoadSample, ...]:
    """Measure a minute of popular pages on a fresh server, to see the growth of its memory."""
    with stage.serving(candidate) as server:
        plan = {
            "ports": [server.port],
            "clients": CLIENTS,
            "requests": gets(popular_paths()),
            "seconds": LONG_S,
            "patience_s": PATIENCE_S,
        }
        seen = run_observed(stage, [server], [plan])
        checked = check_bodies(stage.admin_url, seen.results[0]["kept"])
        return (sample(Scenario("popular_60s", []), seen, [server], checked),)


@dataclass(frozen=True, slots=True)
class Targets:
    """The servers of a scenario: the candidate's processes, the null server, and nginx if installed."""

    stage: Stage
    servers: tuple[Server, Server]
    null: Server
    nginx_port: int | None


def measure_scenario(targets: Targets, kind: Scenario) -> LoadSample:
    """Run rounds of all targets in the order A B B A; `hot` adds nginx, and the null server a second time."""
    servers = targets.servers[: kind.processes]
    ports = {"candidate": [server.port for server in servers]}
    if kind.beside_null:
        ports["null"] = [targets.null.port]
    if kind.floor is not None:
        ports["floor"] = []
    if kind.name == "hot":
        ports["null_again"] = [targets.null.port]
        if targets.nginx_port is not None:
            ports["ceiling"] = [targets.nginx_port]
    order = [name for n in range(kind.rounds) for name in (list(ports) if n % 2 == 0 else reversed(ports))]
    turns = [order[:number].count(name) for number, name in enumerate(order)]
    plans = [
        plan_of_floor(targets.stage.admin_url, kind, turn)
        if name == "floor"
        else plan_of_round(kind, ports[name], name, turn)
        for name, turn in zip(order, turns, strict=True)
    ]
    seen = run_observed(targets.stage, servers, plans)
    by_target = {
        name: [result for result, target in zip(seen.results, order, strict=True) if target == name]
        for name in ports
    }
    kept = [one for result in by_target["candidate"] for one in result["kept"]]
    checked = check_bodies(targets.stage.admin_url, kept) if kind.checked else check_versions(kept)
    return replace(
        sample(kind, replace(seen, results=by_target["candidate"]), servers, checked),
        null_rounds=tuple(map(round_of, by_target.get("null", []))),
        null_again_rounds=tuple(map(round_of, by_target.get("null_again", []))),
        ceiling_rounds=tuple(map(round_of, by_target.get("ceiling", []))),
        floor_rounds=tuple(map(round_of, by_target.get("floor", []))),
        latencies=histograms_of(by_target),
    )


def plan_of_round(kind: Scenario, ports: list[int], target: str, turn: int) -> dict[str, Any]:
    """The plan of one round: the candidate gets the scenario's requests, other targets the first page."""
    is_candidate = target == "candidate"
    return {
        "ports": ports,
        "clients": kind.clients,
        "requests": kind.requests if is_candidate else gets([FIRST_PAGE]),
        "seconds": kind.round_s,
        "first": turn * len(kind.requests) // kind.rounds if is_candidate else 0,
        "rate": kind.rate_per_s,
        "warm_up_s": max(WARM_UP_S, kind.warm_up_s if is_candidate and turn == 0 else 0.0),
        "patience_s": PATIENCE_S,
        "keep_every": kind.keep_every,
    }


def plan_of_floor(url: str, kind: Scenario, turn: int) -> dict[str, Any]:
    """The plan of one round of the statement that makes what the scenario asks for."""
    assert kind.floor is not None
    return {
        "url": url,
        "statement": kind.floor.statement,
        "arguments": kind.floor.arguments,
        "clients": kind.clients,
        "seconds": kind.round_s,
        "first": turn * len(kind.requests) // kind.rounds,
        "warm_up_s": WARM_UP_S,
    }


def far_pages(server: Server) -> list[str]:
    """Paths of the later half of a walk through one category, by the candidate's own `next`."""
    found: list[str] = []
    path: str | None = "/products?limit=20&category_id=11"
    while path and len(found) < WALK_PAGES:
        found.append(path)
        path = read_page(server, path).next
    return found[len(found) // 2 :]


def etag_of(server: Server) -> str:
    """The ETag of the first page, or a tag that never matches."""
    return first_page(server).headers.get("etag") or '"none"'


def products_of(stage: Stage) -> int:
    """The number of products in the stage's dataset."""
    return int(expected_products(stage.admin_url, "order by id desc limit 1")[0]["id"])
