"""A candidate that is slow only without the probe is told from a candidate on a machine that is busy."""

from collections.abc import Callable
from pathlib import Path

import pytest

from evaluation.measure.watched import compare_watched
from evaluation.serving.workbench import Stage

IMPORTS = ("main.py", "import gc\n", "import asyncio\nimport gc\nimport sys\nimport time\n")
READING = "    return ready(await crud.get_product(db, product_id))"
IS_UNWATCHED = '"evaluation.serving.probe" not in sys.modules'


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        ("False", []),
        (IS_UNWATCHED, ["watched_is_faster"]),
        ("int(time.time() * 2) % 2", []),
        (f"{IS_UNWATCHED} and int(time.time() / 1.5) % 2", []),
    ],
    ids=["well-behaved", "slow without the probe", "now and then", "now and then in one process"],
)
def test_only_what_is_slow_again_and_again_without_the_probe_is_a_signal(
    stage: Stage, variant: Callable[..., Path], condition: str, found: list[str]
) -> None:
    slow = f"    if {condition}:\n        await asyncio.sleep(0.2)\n"

    signals = compare_watched(stage, variant(IMPORTS, ("main.py", READING, slow + READING)))

    assert [one.name for one in signals] == found
