"""What holds in the first minute of a process holds at every second hour of its week: API.6."""

import pytest

from tests.conftest import Subject
from tests.passing_time import pass_time

STEP_S = 2 * 3600
WEEK_S = 7 * 24 * 3600


@pytest.mark.criterion("API.6")
def test_a_write_is_seen_at_every_second_hour_of_a_week(own: Subject) -> None:
    path = "/products?limit=1&category_id=5"
    product = own.json(path)["items"][0]["id"]

    for hours in range(0, WEEK_S // 3600, STEP_S // 3600):
        pass_time([own], STEP_S)
        own.json(path)
        own.http.put(f"/products/{product}", json={"name": f"After {hours} h"}).raise_for_status()
        assert own.json(path)["items"][0]["name"] == f"After {hours} h"
