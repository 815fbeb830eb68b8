"""What a catalog costs: single requests, a cold page in ms, a warm one in CPU time and under load."""

import asyncio
import statistics
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from evaluation.candidates.folder import copied
from evaluation.database.dataset import SIZES
from evaluation.judge import timings
from evaluation.measure.cold import first_page, measure_cold_page
from evaluation.measure.cpu import measure_cpu
from evaluation.measure.load import Targets, is_hopeful, measure_scenario
from evaluation.measure.meter import metered
from evaluation.measure.scenarios import CLIENTS, FIRST_PAGE, Scenario, gets
from evaluation.measure.work import measure_work
from evaluation.records import CpuCost, LoadSample, WorkSample
from evaluation.serving.workbench import Stage, Workshop

PRODUCTS = SIZES["standard"]
SCENARIOS = ("first_page_cold", "first_page_warm", "inactive_page_cold", "detail", "batch_of_20")
HOT = Scenario("hot", gets([FIRST_PAGE]), round_s=0.4, rounds=3)


@dataclass(frozen=True, slots=True)
class Times:
    """What depends on the machine. `p95_ms` is None where a warm page is too dear for 500 clients."""

    cold_ms: float | None
    warm_cpu_us: float | None
    null_cpu_us: float | None
    p95_ms: float | None
    null_p95_ms: float | None
    per_second: float | None


Work = dict[str, dict[str, int]]
"""What was counted for single requests, by scenario."""


def work_of(shop: Workshop, folder: Path) -> Work:
    """Count the work of single requests on one catalog, with 100 000 products."""
    with stage_for(shop, folder) as (stage, served), metered(stage, served) as (server, meter):
        work = measure_work(server, meter)
    return {sample.scenario: counters(sample) for sample in work if sample.scenario in SCENARIOS}


def times_of(shop: Workshop, folder: Path) -> Times:
    """Time a cold page of one client, a warm one in CPU time, and 500 clients on a warm one."""
    with stage_for(shop, folder) as (stage, served):
        with stage.serving(served) as server:
            cold = asyncio.run(measure_cold_page(stage, server))
        cost, _ = measure_cpu(stage, served)
        hot = under_load(stage, served, cost)
    is_answered = hot is not None and timings.all_answered(hot)
    return Times(
        median_ms(cold),
        cost.candidate_us,
        cost.null_us,
        timings.p95_ms(hot.rounds) if hot and is_answered else None,
        timings.p95_ms(hot.null_rounds) if hot else None,
        timings.throughput(hot.rounds) if hot and is_answered else None,
    )


@contextmanager
def stage_for(shop: Workshop, folder: Path) -> Iterator[tuple[Stage, Path]]:
    """A stage on services of its own, and a copy of the catalog to serve there."""
    with shop.workbench() as bench, bench.stage(PRODUCTS) as stage:
        yield stage, copied(folder, bench.folder / "served" / folder.name)


def under_load(stage: Stage, folder: Path, cost: CpuCost) -> LoadSample | None:
    """500 clients on a warm page, where one process can answer them within a few seconds."""
    if not is_hopeful(cost):
        return None
    with stage.serving(folder) as server:
        first_page(server)
        size = len(first_page(server).sent)
        with stage.serving(folder, options=("--null", str(size))) as null:
            assert HOT.clients == CLIENTS
            return measure_scenario(Targets(stage, (server, server), null, None), HOT)


def counters(sample: WorkSample) -> dict[str, int]:
    """What was counted for one request."""
    return {
        "statements": sample.statements_server,
        "rows": sample.rows,
        "buffers": sample.buffers,
        "body_bytes": sample.body_bytes,
        "wire_bytes": sample.wire_bytes,
        "commands_redis": sample.commands_redis,
    }


def median_ms(sample: LoadSample) -> float | None:
    """The median of the rounds' medians, where every request was answered."""
    values = [one.p50_ms for one in sample.rounds if one.p50_ms is not None]
    return round(statistics.median(values), 2) if values and timings.all_answered(sample) else None
