"""Where an answer differs from the tables: instants are compared as instants, and not as texts."""

import pytest

from evaluation.database.expected import difference

MIDNIGHT = "2024-01-01T00:00:00.000000Z"


@pytest.mark.parametrize(
    "text",
    [
        "2024-01-01T09:00:00+09:00",
        "2024-01-01T00:00:00Z",
        "2023-12-31T18:30:00.000-05:30",
        "2024-01-01T00:00:00+00:00",
    ],
)
def test_an_instant_in_another_time_zone_or_spelling_is_the_same(text: str) -> None:
    seen, wanted = {"id": 1, "created_at": text}, {"id": 1, "created_at": MIDNIGHT}

    assert difference(seen, wanted) is None
    assert difference([{"reviews": [seen]}], [{"reviews": [wanted]}]) is None


@pytest.mark.parametrize(
    "text",
    [
        "2024-01-01T09:00:01+09:00",
        "2024-01-01T00:00:00.000001Z",
        "2024-01-01T09:00:00Z",
        "2024-01-01T00:00:00",
        "midnight",
    ],
    ids=["a second late", "a microsecond late", "in another zone", "in no zone", "in words"],
)
def test_another_instant_is_a_difference_and_is_told_with_its_place(text: str) -> None:
    seen, wanted = {"items": [{"created_at": text}]}, {"items": [{"created_at": MIDNIGHT}]}

    assert difference(seen, wanted) == f"items[0].created_at is {text!r} instead of {MIDNIGHT!r}"


def test_what_is_no_instant_is_compared_as_it_is() -> None:
    seen, wanted = {"name": "2024-01-01T09:00:00+09:00"}, {"name": "2024-01-01T00:00:00Z"}

    assert difference(seen, wanted) is not None
