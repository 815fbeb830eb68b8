"""Hundreds of clients at once that want the same answer."""

import pytest

from tests.conftest import EMPTY_CATEGORY, Subject
from tests.waiting import USERS, while_waiting


@pytest.mark.criterion("R05.2")
@pytest.mark.parametrize("kind", ["listing", "product", "batch"])
def test_hundreds_that_wait_for_the_same_answer_all_get_it(own: Subject, kind: str) -> None:
    # Without reviews, so that a catalog that makes every answer anew can make five hundred.
    ids = [own.new_product(category_id=EMPTY_CATEGORY)["id"] for _ in range(2)]
    path = {
        "listing": f"/products?category_id={EMPTY_CATEGORY}",
        "product": f"/products/{ids[0]}",
        "batch": f"/products/batch?ids={ids[1]},{ids[0]}",
    }[kind]
    # A second try is for a busy machine alone: what was refused once is refused.
    for _ in range(2):
        # The auditor reads what they got.
        seen = while_waiting(own, [path] * USERS, backends=1, held_s=1.0)
        if "timeout" not in seen.statuses or seen.statuses.keys() - {"200", "timeout"}:
            break

    assert seen.statuses == {"200": USERS}, seen.statuses
