"""A pool that is less patient than it says is found out."""

from collections.abc import Callable
from pathlib import Path
from threading import Event

from evaluation.measure.patience import wait_for_connections
from evaluation.pipeline import REFERENCE
from evaluation.serving.workbench import Workbench

IMPATIENT = ("database.py", "pool_timeout=POOL_TIMEOUT_S", "pool_timeout=15")


def test_requests_wait_for_a_connection_of_the_reference(bench: Workbench) -> None:
    assert wait_for_connections(bench, REFERENCE, Event()) == ()


def test_a_pool_that_gives_up_after_fifteen_seconds_is_found(
    bench: Workbench, variant: Callable[..., Path]
) -> None:
    [broken] = wait_for_connections(bench, variant(IMPATIENT), Event())

    assert broken.criterion == "R05.2"
    assert "'503': 12" in broken.message
