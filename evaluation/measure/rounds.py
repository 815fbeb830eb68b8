"""Runs rounds of load in a client process, and records the results and the cost to the servers."""

import json
import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from evaluation.database.counters import Work
from evaluation.errors import InfrastructureError
from evaluation.measure.histograms import histograms_of
from evaluation.measure.pool_errors import pool_errors, sizes_of_logs
from evaluation.measure.scenarios import Scenario
from evaluation.records import LoadSample, Round
from evaluation.services import tied
from evaluation.serving.server import Server
from evaluation.serving.workbench import Stage


@dataclass(frozen=True, slots=True)
class Observed:
    """The results of plans, and meanwhile: statements in Postgres, CPU seconds and pool errors of servers."""

    results: list[dict[str, Any]]
    spent: list[Work]
    cpu_s: float
    pool_errors: dict[str, int]


def run_observed(stage: Stage, servers: Sequence[Server], plans: list[dict[str, Any]]) -> Observed:
    """Run plans, and observe what they cost the servers."""
    with closing(stage.counters()) as counters:
        before, logged = counters.snapshot(), sizes_of_logs(servers)
        cpu_s = sum(server.cpu_seconds() for server in servers)
        results = run_client(plans)
        spent = counters.since(before)
        cpu_s = sum(server.cpu_seconds() for server in servers) - cpu_s
    return Observed(results, spent, cpu_s, pool_errors(servers, logged, failures(results)))


def failures(results: list[dict[str, Any]]) -> int:
    """How many requests were answered with a failure of the server."""
    return sum(
        count
        for result in results
        for outcome, count in result["outcomes"].items()
        if outcome.startswith("5")
    )


def sample(
    kind: Scenario,
    seen: Observed,
    servers: Sequence[Server],
    checked: tuple[int, int],
) -> LoadSample:
    """The record of all rounds of a scenario on the candidate."""
    results = seen.results
    sent = max(1, sum(result["sent"] for result in results))
    reads = sum(work.calls for work in seen.spent if "reviews" in work.sql)
    return LoadSample(
        scenario=kind.name,
        clients=kind.clients,
        outcomes=dict(sum((Counter(result["outcomes"]) for result in results), Counter[str]())),
        rounds=tuple(map(round_of, results)),
        null_rounds=(),
        statements_per_request=round(sum(work.calls for work in seen.spent) / sent, 4),
        server_cpu_ms_per_request=round(1000 * seen.cpu_s / sent, 4),
        server_peak_mb=round(max(server.peak_mb() for server in servers), 1),
        bodies_checked=checked[0],
        bodies_wrong=checked[1],
        warm_up_requests=sum(result["warm_up_requests"] for result in results),
        hit_ratio=round(max(0.0, 1 - reads / sent), 4),
        pool_errors=seen.pool_errors,
        latencies=histograms_of({"candidate": results}),
    )


def run_client(plans: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Run plans in a client process, and return their results."""
    command = [sys.executable, "-m", "evaluation.measure.client"]
    done = tied.run(command, input_text=json.dumps(plans))
    if done.returncode:
        raise InfrastructureError(f"the load client failed:\n{done.stderr[-2000:]}")
    results: list[dict[str, Any]] = json.loads(done.stdout)
    return results


def round_of(result: dict[str, Any]) -> Round:
    """The record of one round."""
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


def round_of_ms(latencies_ms: list[float]) -> Round:
    """The record of requests that were sent one after another."""
    seconds = sum(latencies_ms) / 1000
    return round_of({"latencies_ms": latencies_ms, "seconds": seconds, "cpu_seconds": 0.0})
