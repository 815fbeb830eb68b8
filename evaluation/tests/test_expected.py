"""Where an answer differs from the tables: instants are compared as instants, averages as rounded means."""

import psycopg
import pytest

from evaluation.database.expected import difference, expected_products
from evaluation.serving.workbench import Stage

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


@pytest.mark.parametrize(
    ("mean", "wrong"), [(11 / 3, 3.66), (4.0, 4.01), (3.125, 3.11), (3.125, 3.14), (3.125, 3.125)]
)
def test_an_average_is_the_mean_to_two_decimal_places(mean: float, wrong: float) -> None:
    for seen in {round(mean, 2), round(mean + 1e-6, 2)}:
        assert difference({"average_rating": seen}, {"average_rating": mean}) is None
    assert difference({"average_rating": wrong}, {"average_rating": mean}) is not None


def test_half_a_hundredth_may_be_rounded_either_way(stage: Stage) -> None:
    add = (
        "insert into reviews (product_id, author_id, rating, title, body) select 2000, 1, 3 + n / 8, 't', '' "
    )
    with psycopg.connect(stage.admin_url, autocommit=True) as connection:
        connection.execute("delete from reviews where product_id = 2000")
        connection.execute(f"{add} from generate_series(1, 8) n".encode())
    [row] = expected_products(stage.admin_url, "where id = 2000")

    assert (row["review_count"], row["average_rating"]) == (8, 3.125)
    for seen in (3.12, 3.13):
        assert difference({**row, "average_rating": seen}, row) is None
    for wrong in (3.11, 3.14, 3.125, None):
        assert difference({**row, "average_rating": wrong}, row) is not None
