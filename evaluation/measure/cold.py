"""Measures cold pages: with 500 clients on fresh processes, and with one client after every expiry."""

from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import redis

from evaluation.measure.answers import check_bodies
from evaluation.measure.histograms import histograms, histograms_of
from evaluation.measure.rounds import round_of, round_of_ms, run_client, run_observed, sample
from evaluation.measure.scenarios import CLIENTS, FIRST_PAGE, ROUNDS, Scenario, gets
from evaluation.measure.settings import Progress
from evaluation.measure.yardsticks import FirstPage
from evaluation.records import LoadSample
from evaluation.serving.connection import Answer, Connection
from evaluation.serving.server import Server
from evaluation.serving.workbench import Stage

BASELINE_PATIENCE_S = 30.0
COLD_PAGES = 6
LIFETIME_S = 61


def measure_stampede(
    stage: Stage, candidate: Path, progress: Progress, processes: int, rounds: int = ROUNDS
) -> LoadSample:
    """500 clients request one cold page of fresh processes; repeated while all clients are answered."""
    name = "stampede" if processes == 1 else "stampede_two_processes"
    progress(f"{candidate.name}: load: {name}")
    results: list[dict[str, Any]] = []
    nulls: list[dict[str, Any]] = []
    samples: list[LoadSample] = []
    size = 0
    for _ in range(rounds):
        empty_cache(stage)
        with ExitStack() as stack:
            servers = [stack.enter_context(stage.serving(candidate)) for _ in range(processes)]
            seen = run_observed(stage, servers, [stampede_plan(servers)])
            [result] = seen.results
            results.append(result)
            samples.append(sample(Scenario(name, []), seen, servers, (0, 0)))
            if result["outcomes"].get("200", 0) < CLIENTS:
                break
            size = size or len(first_page(servers[0]).sent)
        with stage.serving(candidate, options=("--null", str(size))) as null:
            nulls += run_client([stampede_plan([null])])
    checked, wrong = check_bodies(stage.admin_url, [one for result in results for one in result["kept"]])
    return replace(
        samples[0],
        outcomes=dict(sum((Counter(one.outcomes) for one in samples), Counter[str]())),
        rounds=tuple(one.rounds[0] for one in samples),
        null_rounds=tuple(map(round_of, nulls)),
        statements_per_request=max(one.statements_per_request for one in samples),
        server_peak_mb=max(one.server_peak_mb for one in samples),
        bodies_checked=checked,
        bodies_wrong=wrong,
        pool_errors=dict(sum((Counter(one.pool_errors) for one in samples), Counter[str]())),
        latencies=histograms_of({"candidate": results, "null": nulls}),
    )


def stampede_plan(servers: Sequence[Server]) -> dict[str, Any]:
    """The plan of a stampede: every client sends one request."""
    return {
        "ports": [server.port for server in servers],
        "clients": CLIENTS,
        "requests": gets([FIRST_PAGE]),
        "seconds": BASELINE_PATIENCE_S,
        "stop_after": CLIENTS,
        "patience_s": 0.5,
        "keep_every": 100,
    }


async def measure_cold_page(stage: Stage, server: Server) -> LoadSample:
    """One client requests the first page after every expiry; the one statement is timed alternately."""
    floor = await FirstPage.open(stage.admin_url)
    counters, cpu_s = stage.counters(), server.cpu_seconds()
    before = counters.snapshot()
    outcomes = Counter[str]()
    pages: list[list[float]] = []
    floors: list[list[float]] = []
    with closing(Connection(server.port)) as connection:
        for _ in range(ROUNDS):
            pages_ms, floors_ms = [], []
            for _ in range(COLD_PAGES):
                server.ask("advance", seconds=LIFETIME_S)
                empty_cache(stage)
                answer = connection.get(FIRST_PAGE)
                outcomes[str(answer.status)] += 1
                pages_ms.append(answer.ms)
                floors_ms.append(await floor.ms())
            pages.append(pages_ms)
            floors.append(floors_ms)
    await floor.connection.close()
    statements, cpu_s = sum(work.calls for work in counters.since(before)), server.cpu_seconds() - cpu_s
    counters.close()
    return LoadSample(
        scenario="cold_page_one_client",
        clients=1,
        outcomes=dict(outcomes),
        rounds=tuple(map(round_of_ms, pages)),
        null_rounds=(),
        statements_per_request=round(statements / outcomes.total(), 4),
        server_cpu_ms_per_request=round(1000 * cpu_s / outcomes.total(), 4),
        server_peak_mb=server.peak_mb(),
        bodies_checked=0,
        bodies_wrong=0,
        floor_rounds=tuple(map(round_of_ms, floors)),
        latencies=histograms({"candidate": chain(*pages), "floor": chain(*floors)}),
    )


def first_page(server: Server) -> Answer:
    """The answer to a GET of the first page."""
    with closing(Connection(server.port)) as connection:
        return connection.get(FIRST_PAGE)


def empty_cache(stage: Stage) -> None:
    """Empty the stage's Redis database, so that the next request is cold."""
    with redis.Redis.from_url(stage.redis_url) as client:
        client.flushdb()
