"""Every exchange of the suite keeps the rules, whichever test caused it; these tests come last."""

import contextlib
import threading
import time
from collections.abc import Callable, Sequence

import httpx
import pytest

from tests.audit.auditor import CRITERIA
from tests.conftest import AUDITOR, SERVED, Subject, check_log, holding_table, subject_on
from tests.observing import until

HELD_S = 0.25
AT_ONCE_S = 30.0
ENCODINGS = ("gzip", "identity", "gzip, deflate, br", "gzip;q=0")
READS = (
    "/products?category_id=9",
    "/products?limit=1&category_id=9",
    "/products?limit=2&category_id=5&is_active=false",
    "/products?category_id=42",
    "/products/7",
    "/products/1901",
    "/products/batch?ids=909,902,902,999999,1",
    "/products/batch?ids=1987654321",
    "/categories",
    "/health",
)
LONG = f"/nowhere/{'and/further/' * 40}"
REFUSED = (
    "/products/4999999",
    "/products/zero",
    "/products?limit=0",
    "/products/batch?ids=",
    "/nowhere",
    LONG,
)


@pytest.fixture(scope="module", autouse=True)
def _toured(tour: None) -> None:
    """Whatever else has run, every rule has had something to check."""


@pytest.fixture(scope="module")
def tour(request: pytest.FixtureRequest) -> None:
    """A look at every route, by clients of several kinds, with writes, in two processes."""
    bench, candidate = request.getfixturevalue("bench"), request.getfixturevalue("candidate")
    with (
        bench.stage(2_000, with_plans=True) as stage,
        subject_on(stage, candidate) as first,
        subject_on(stage, candidate) as second,
    ):
        first.get("/products", accept_encoding="gzip")
        read_everything(first, ENCODINGS)
        read_everything(second, ENCODINGS[:2])
        write_everything(first)
        for subject in (second, first):
            read_everything(subject, ENCODINGS[:1])
            subject.get_all([*READS, *READS], AT_ONCE_S)
        hold_up(first)
    # Servers that tests share run until all tests have ended.
    while SERVED:
        check_log(SERVED[-1])


def read_everything(subject: Subject, encodings: Sequence[str]) -> None:
    """Every read, as every kind of client, with the tag that it brought, and the page that follows."""
    for path in READS:
        for encoding in encodings:
            answer = subject.get(path, accept_encoding=encoding)
        tag = answer.headers.get("etag")
        if tag:
            subject.get(path, accept_encoding="gzip", if_none_match=tag)
            subject.get(path, accept_encoding="gzip", if_none_match='"something-else"')
        if path.startswith("/products?") and (link := next_of(answer)):
            subject.get(link)
            subject.get(link)
    for path in REFUSED:
        subject.get(path)


def next_of(answer: httpx.Response) -> str | None:
    """Where a page points to."""
    with contextlib.suppress(ValueError, KeyError, TypeError):
        link: str | None = answer.json()["next"]
        return link
    return None


def write_everything(subject: Subject) -> None:
    """Every write, also with validators that only reads have, and some that are refused."""
    large = {
        "name": "  Large & spaced ",
        "price": "7.50",
        "category_id": 42,
        "quantity": 3,
        "description": "d" * 1_500,
    }
    headers = {"if-none-match": "*"}
    made = subject.http.post("/products", json=large)
    product = made.json().get("id", 1) if made.status_code == 201 else 1
    tag = subject.get(f"/products/{product}").headers.get("etag", '"none"')
    for fields in (
        {"quantity": 0},
        {"name": "Renamed", "price": "8.00"},
        {"description": "", "is_active": True},
    ):
        subject.http.put(f"/products/{product}", json=fields, headers={"if-none-match": tag})
        subject.get(f"/products/{product}")
    for rating in (1, 5):
        review = {"author_id": 3, "rating": rating, "title": "t", "body": "b"}
        subject.http.post(f"/products/{product}/reviews", json=review, headers=headers)
        subject.get("/products?category_id=42")
    subject.http.post("/products", json={"name": "x"})
    subject.http.post("/products", json={"name": "x", "price": "1.00", "category_id": 999_999})
    subject.http.put("/products/4999998", json={"name": "x"})
    subject.http.delete("/products/4999997")
    extra = subject.new_product(category_id=42)["id"] if made.status_code == 201 else 2
    subject.http.delete(f"/products/{extra}")


def hold_up(subject: Subject) -> None:
    """Requests that take 250 ms because nobody can read products."""
    for path in ("/products/801", "/products/802", "/products/803"):
        with holding_table(subject) as waiting:
            reader = threading.Thread(target=subject.get, args=(path,))
            reader.start()
            until_waiting(waiting)
        reader.join()
        subject.audit.note_held(path, HELD_S)


def until_waiting(waiting: Callable[[], int]) -> None:
    """Hold on for as long as a slow request takes, from when somebody waits."""
    until(lambda: waiting() >= 1)
    time.sleep(HELD_S)


@pytest.mark.parametrize(
    "criterion", [pytest.param(one, marks=pytest.mark.criterion(one), id=one) for one in CRITERIA]
)
def test_every_exchange_keeps(criterion: str) -> None:
    wrong = AUDITOR.verdict(criterion)

    assert AUDITOR.checked[criterion], f"{criterion} was never checked"
    assert not wrong, f"{len(wrong)} or more exchanges break {criterion}:\n" + "\n".join(wrong[:5])
