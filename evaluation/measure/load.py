"""Five hundred clients at once: a bounded burst, every outcome counted."""

import statistics
import time

from evaluation.records import LoadSample
from evaluation.runtime.burst import burst
from evaluation.runtime.server import Server

CLIENTS = 500
DEADLINE_S = 30.0


def measure_load(server: Server) -> tuple[LoadSample, ...]:
    """The first page, cold for the first burst and warm for the second, if there is an answer at all."""
    stampede = one_burst(server, "stampede")
    return (stampede, one_burst(server, "hot")) if "200" in stampede.outcomes else (stampede,)


def one_burst(server: Server, scenario: str) -> LoadSample:
    """500 connections opened at once, one request each, latency from the connect on."""
    started = time.monotonic()
    seen = burst(server.port, ["/products?limit=20"] * CLIENTS, DEADLINE_S)
    complete = seen.p95_ms() is not None
    return LoadSample(
        scenario,
        CLIENTS,
        seen.outcomes,
        round(statistics.median(seen.latencies_ms), 2) if complete else None,
        round(seen.p95_ms() or 0.0, 2) if complete else None,
        round(max(seen.latencies_ms), 2) if complete else None,
        round(time.monotonic() - started, 3),
    )
