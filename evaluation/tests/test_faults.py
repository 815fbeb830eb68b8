"""The fault suite tells right answers from stale and wrong ones, and finds what a candidate does wrong."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from evaluation.faults import __main__ as faults
from evaluation.faults.faults import FAULTS, Fault, redis_full, redis_hangs_up, sessions_ended
from evaluation.faults.history import RIGHT, STALE, WRONG, History
from evaluation.faults.traffic import FAILED, REFUSED

REFERENCE = Path(__file__).parents[2] / "repository_after"
ROW: dict[str, Any] = {"id": 5, "name": "seeded", "price": "1.00"}
GRACE_S = 1.0


def shown(name: str) -> dict[str, Any]:
    return ROW | {"name": name}


@pytest.mark.parametrize(
    ("item", "process", "later_s", "verdict"),
    [
        (shown("new"), 0, 0.0, RIGHT),
        (shown("unanswered"), 1, 0.0, RIGHT),
        (shown("old"), 0, 0.1, STALE),
        (shown("old"), 1, 0.1, RIGHT),
        (shown("old"), 1, GRACE_S + 0.1, STALE),
        (shown("seeded"), 1, GRACE_S + 0.1, STALE),
        (shown("never written"), 0, 0.0, WRONG),
        (shown("new") | {"price": "2.00"}, 0, 0.0, WRONG),
        ([], 0, 0.0, WRONG),
    ],
)
def test_an_answer_shows_the_newest_answered_name_or_one_that_followed(
    item: object, process: int, later_s: float, verdict: str
) -> None:
    history = History({5: ROW})
    for name in ("old", "new"):
        history.end(history.begin(5, name, process=0))
    history.begin(5, "unanswered", process=0)

    assert history.judged(item, 5, process, time.monotonic() + later_s, GRACE_S) == verdict


def test_what_is_read_while_it_is_written_may_be_old() -> None:
    history = History({5: ROW})
    began_s = time.monotonic()
    history.end(history.begin(5, "new", process=0))

    assert history.judged(shown("seeded"), 5, 0, began_s, 0.0) == RIGHT


def chosen(*names: Callable[..., object]) -> list[Fault]:
    return [fault for fault in FAULTS if fault.make in names]


def test_the_reference_lives_through_a_full_redis_and_sessions_that_end() -> None:
    full, ended = faults.run(REFERENCE, chosen(redis_full, sessions_ended))

    assert full.is_good(refuses=False), full
    assert ended.is_good(refuses=True), ended
    assert min(full.answers[RIGHT], ended.answers[RIGHT]) > 20


@pytest.mark.parametrize(
    ("change", "outcome"),
    [
        (("main.py", "await listings.forget_pages()", "None"), STALE),
        (("main.py", "return await crud.get_product(db, product_id)", "return product_id + None"), FAILED),
        (("crud.py", '"rating": loaded["rating"]', '"rating": 6 - loaded["rating"]'), WRONG),
    ],
    ids=["stale", "failed", "wrong"],
)
def test_what_is_answered_otherwise_is_counted(
    variant: Callable[..., Path], change: tuple[str, str, str], outcome: str
) -> None:
    [found] = faults.run(variant(change), chosen(redis_hangs_up))

    assert found.answers[outcome] > 0, found
    assert not found.is_good(refuses=False)


def test_what_may_not_be_refused_may_not_be_missing() -> None:
    refused = faults.Result("f", {RIGHT: 9, REFUSED: 1}, 0.5, 0)

    assert refused.is_good(refuses=True)
    assert not refused.is_good(refuses=False)
    assert not faults.Result("f", {RIGHT: 9}, None, 0).is_good(refuses=True)
    assert not faults.Result("f", {RIGHT: 9}, 0.5, 1).is_good(refuses=True)
