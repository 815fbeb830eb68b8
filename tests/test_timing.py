"""The duration of every request is logged: R16."""

import re
import threading
import time
from datetime import timedelta
from functools import partial

import psycopg
import pytest

from tests.conftest import Subject
from tests.observing import until

SLOW = re.compile(r"slow|warn", re.IGNORECASE)
QUICK = timedelta(milliseconds=190)
NUMBER = re.compile(r"\d+\.\d+|\d+")


def lines_about(subject: Subject, method: str, path: str, since: int = 0) -> list[str]:
    """Log lines with this method and path, those behind the first `since` characters."""
    return [
        line for line in subject.server.log_text()[since:].splitlines() if method in line and path in line
    ]


def milliseconds(line: str, *others: object) -> list[float]:
    """Numbers in a log line that can be a duration; `others` are numbers that mean something else."""
    for other in others:
        line = line.replace(str(other), "")
    return [float(number) for number in NUMBER.findall(line)]


@pytest.mark.requirement("R16")
@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/products/1901", 200),
        ("GET", "/products/1900000", 404),
        ("GET", "/products/abc", 422),
        ("DELETE", "/products/1700000", 404),
        ("GET", "/categories", 200),
        ("GET", "/health", 200),
    ],
)
def test_every_request_is_logged_with_its_duration(api: Subject, method: str, path: str, status: int) -> None:
    before = len(api.server.log_text())
    started = time.perf_counter()
    assert api.http.request(method, path).status_code == status

    def durations() -> list[float]:
        lines = lines_about(api, method, path, before)
        return [number for line in lines for number in milliseconds(line, path, status) if number > 0]

    assert until(durations, deadline_s=1.5), f"no line about {method} {path} with a duration"
    assert min(durations()) <= (time.perf_counter() - started) * 1000


@pytest.mark.requirement("R16")
def test_a_request_that_breaks_is_logged_too(own: Subject) -> None:
    own.sql("alter table categories rename to elsewhere")

    assert own.get("/categories").status_code == 500
    assert until(lambda: lines_about(own, "GET", "/categories"), deadline_s=1.5), "no line about it"
    assert [n for line in lines_about(own, "GET", "/categories") for n in milliseconds(line, 500) if n > 0]


@pytest.mark.requirement("R16")
def test_a_request_over_200_ms_is_flagged(own: Subject) -> None:
    with psycopg.connect(own.stage.admin_url) as holder:
        holder.execute("LOCK TABLE products IN ACCESS EXCLUSIVE MODE")
        reader = threading.Thread(target=own.get, args=("/products/77",))
        reader.start()
        holder.execute("select pg_sleep(0.4)")
    reader.join()

    assert until(lambda: lines_about(own, "GET", "/products/77"), deadline_s=1.5), "no line about it"
    slow = lines_about(own, "GET", "/products/77")
    assert SLOW.search(slow[-1]), slow
    assert [n for n in milliseconds(slow[-1], "/products/77") if 0.2 <= n < 5 or 200 <= n < 5000], slow


@pytest.mark.requirement("R16")
def test_a_request_under_200_ms_is_not_flagged(own: Subject) -> None:
    quick = [number for number in range(101, 111) if own.get(f"/products/{number}").elapsed < QUICK]

    assert quick, "ten requests for one product, none under 200 ms"
    for number in quick:
        path = f"/products/{number}"
        assert until(partial(lines_about, own, "GET", path), deadline_s=1.5), f"no line about {path}"
        assert not SLOW.search(lines_about(own, "GET", path)[-1])
