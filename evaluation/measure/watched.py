"""Compares how fast a candidate answers with the probe and without it, in turns: noise slows both."""

import statistics
import time
from pathlib import Path

from evaluation.measure.work import fetch
from evaluation.records import Signal
from evaluation.serving.server import Server
from evaluation.serving.workbench import Stage

WARMING = ("/categories", "/products?limit=2", "/products/batch?ids=1,2", "/products/1001", "/products/1002")
ROUNDS, TURNS = 3, 9
"""A difference counts when it shows in every round; one turn is one product, asked of both."""
SLOWER, SLOWER_AT_LEAST_MS = 2.5, 50.0


def compare_watched(stage: Stage, directory: Path) -> list[Signal]:
    """A signal when requests for one product take much longer without the probe, again and again."""
    with (
        stage.serving(directory) as watched,
        stage.serving(directory, options=("--without-probe",)) as unwatched,
    ):
        for server in (watched, unwatched):
            for path in WARMING:
                fetch(server, path)
        for number in range(ROUNDS):
            first = 1003 + number * TURNS
            watched_ms, unwatched_ms = medians_ms((watched, unwatched), range(first, first + TURNS))
            if unwatched_ms <= max(SLOWER * watched_ms, watched_ms + SLOWER_AT_LEAST_MS):
                return []
    detail = f"{watched_ms:.1f} ms a request with the probe, {unwatched_ms:.1f} ms without it"
    return [Signal("watched_is_faster", detail)]


def medians_ms(servers: tuple[Server, ...], products: range) -> list[float]:
    """The median ms of a request for one product, for each server; they are asked in turns."""
    times: list[list[float]] = [[] for _ in servers]
    for product in products:
        for server, its_times in zip(servers, times, strict=True):
            started = time.perf_counter()
            fetch(server, f"/products/{product}")
            its_times.append(1000 * (time.perf_counter() - started))
    return [statistics.median(its_times) for its_times in times]
