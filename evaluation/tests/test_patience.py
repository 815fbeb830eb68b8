"""A pool that is less patient or careful than it seems is found out, and so are lines that hide a wait."""

from collections.abc import Callable
from pathlib import Path
from threading import Event

from evaluation.measure.patience import wait_for_connections
from evaluation.pipeline import REFERENCE
from evaluation.serving.workbench import Workbench

IMPATIENT = ("database.py", "pool_timeout=POOL_TIMEOUT_S", "pool_timeout=15")
SHORTER = ("timing.py", "(perf_counter() - started) * 1000", "min(12.0, perf_counter() - started) * 1000")


def test_requests_wait_for_a_connection_of_the_reference(bench: Workbench) -> None:
    assert wait_for_connections(bench, REFERENCE, Event()) == ()


def test_a_pool_that_gives_up_after_fifteen_seconds_is_found(
    bench: Workbench, variant: Callable[..., Path]
) -> None:
    [broken] = wait_for_connections(bench, variant(IMPATIENT), Event())

    assert broken.criterion == "R05.2"
    assert "'503': 12" in broken.message


def test_connections_that_are_looked_at_only_with_the_probe_are_found(
    bench: Workbench, variant: Callable[..., Path]
) -> None:
    unlooked = (
        "database.py",
        "pool_pre_ping=True",
        "pool_pre_ping='evaluation.serving.probe' in __import__('sys').modules",
    )

    found = wait_for_connections(bench, variant(unlooked), Event())

    assert {broken.criterion for broken in found} == {"R05.3"}


def test_durations_that_end_at_twelve_seconds_are_found(
    bench: Workbench, variant: Callable[..., Path]
) -> None:
    [broken] = wait_for_connections(bench, variant(SHORTER), Event())

    assert broken.criterion == "R16.2"
    assert "duration_ms=12000.00" in broken.message
