"""A pool that is less patient or careful than it seems is found out, and so are lines that hide a wait."""

from collections.abc import Callable
from pathlib import Path
from threading import Event

import pytest

from evaluation.measure.patience import wait_for_connections
from evaluation.pipeline import REFERENCE
from evaluation.serving.workbench import Workbench

HAS_PROBE = "'evaluation.serving.probe' in __import__('sys').modules"
HAS_OUR_NAME = "__name__ == 'candidate.database'"
SLIPS = {
    "a pool gives up after 15 s": (
        ("database.py", "pool_timeout=POOL_TIMEOUT_S", "pool_timeout=15"),
        *("R05.2", "'503'"),
    ),
    "writers give up after 10 s": (
        (
            "database.py",
            "async with asyncio.timeout(POOL_TIMEOUT_S):\n        await writers",
            "async with asyncio.timeout(10):\n        await writers",
        ),
        *("R05.2", "'503'"),
    ),
    "connections are looked at only with the probe": (
        ("database.py", "pool_pre_ping=True", f"pool_pre_ping={HAS_PROBE}"),
        *("R05.3", "503"),
    ),
    "a pool is patient only for a package of our name": (
        ("database.py", "pool_timeout=POOL_TIMEOUT_S", f"pool_timeout=30 if {HAS_OUR_NAME} else 15"),
        *("R05.2", "'503'"),
    ),
    "a pool is patient only where Postgres has another port than usual": (
        (
            "database.py",
            "pool_timeout=POOL_TIMEOUT_S",
            "pool_timeout=15 if ':5432/' in DATABASE_URL else POOL_TIMEOUT_S",
        ),
        *("R05.2", "'503'"),
    ),
    "every request gets a connection": (
        ("database.py", "max_overflow=0", "max_overflow=200"),
        *("R05.2", "connections to Postgres"),
    ),
    "durations end at 12 s": (
        ("timing.py", "(perf_counter() - started) * 1000", "min(12.0, perf_counter() - started) * 1000"),
        *("R16.2", "duration_ms=12000.00"),
    ),
}


WAITS_FOR_ITS_TURN = """    async with asyncio.timeout(POOL_TIMEOUT_S):
        await writers.acquire()
"""
TAKES_ITS_TURN_ANYHOW = "    await asyncio.wait_for(asyncio.shield(writers.acquire()), POOL_TIMEOUT_S)\n"


def test_requests_wait_for_a_connection_of_the_reference(bench: Workbench) -> None:
    assert wait_for_connections(bench, REFERENCE, Event()) == ()


@pytest.mark.parametrize(("slip", "criterion", "told"), SLIPS.values(), ids=list(SLIPS))
def test_a_slip_that_shows_itself_after_a_long_wait_is_found(
    bench: Workbench, variant: Callable[..., Path], slip: tuple[str, str, str], criterion: str, told: str
) -> None:
    [broken, *others] = wait_for_connections(bench, variant(slip), Event())

    assert {broken.criterion, *(other.criterion for other in others)} == {criterion}
    assert told in broken.message


def test_places_that_are_taken_by_those_who_gave_up_are_found(
    bench: Workbench, variant: Callable[..., Path]
) -> None:
    slip = "database.py", WAITS_FOR_ITS_TURN, TAKES_ITS_TURN_ANYHOW

    found = wait_for_connections(bench, variant(slip), Event())

    assert "R05.1" in {broken.criterion for broken in found}
    assert any("had waited for a connection in vain" in broken.message for broken in found)
