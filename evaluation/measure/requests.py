"""Measures what a candidate's requests cost: work, CPU time of a warm page, and load."""

from dataclasses import dataclass
from pathlib import Path

from evaluation.candidates.fingerprint import fingerprint
from evaluation.measure.cpu import measure_cpu
from evaluation.measure.growth import measure_page_500
from evaluation.measure.load import measure_load, measure_long
from evaluation.measure.meter import metered
from evaluation.measure.reads import with_reads
from evaluation.measure.settings import Progress, Settings
from evaluation.measure.tampering import files_changed, roles_taken, rows_lost, signals_in_work
from evaluation.measure.work import measure_work
from evaluation.records import Broken, CpuCost, LoadSample, PageCost, Signal, WorkSample
from evaluation.serving.workbench import Workbench


@dataclass(frozen=True, slots=True)
class Requests:
    """What single requests, the CPU time of a warm page and load showed of one candidate."""

    work: tuple[WorkSample, ...]
    cpu: tuple[CpuCost, ...]
    load: tuple[LoadSample, ...]
    signals: tuple[Signal, ...]
    broken: tuple[Broken, ...]
    page_500: PageCost | None


def measure_requests(bench: Workbench, candidate: Path, settings: Settings, progress: Progress) -> Requests:
    """Measure the work of single requests on a fresh server, then CPU time and load on other servers."""
    files = fingerprint(candidate)
    with bench.stage(settings.products) as stage:
        progress(f"{candidate.name}: counting the work of single requests")
        with metered(stage, candidate) as (server, meter):
            work = measure_work(server, meter)
        work = with_reads(work, bench, candidate, settings.products)
        cost, broken = measure_cpu(stage, candidate)
        page_500 = None
        if settings.with_load or settings.with_growth:
            progress(f"{candidate.name}: measuring page 500")
            page_500 = measure_page_500(stage, candidate, settings.products)
        load: tuple[LoadSample, ...] = ()
        if settings.with_load:
            progress(f"{candidate.name}: measuring load with 500 clients")
            load = measure_load(stage, candidate, cost, progress)
        if settings.with_growth:
            progress(f"{candidate.name}: measuring a minute of popular pages")
            load += measure_long(stage, candidate)
        signals = [*signals_in_work(work), *roles_taken(stage), *rows_lost(stage, settings.products)]
    return Requests(work, (cost,), load, (*signals, *files_changed(files, candidate)), broken, page_500)
