"""The duration of every request is logged: R16."""

import re
import threading
import time
from datetime import timedelta

import psycopg
import pytest

from tests.conftest import NO_LONG_WAIT, Subject
from tests.observing import until

QUICK = timedelta(milliseconds=190)
NUMBER = re.compile(r"\d+\.\d+|\d+")


def lines_about(subject: Subject, method: str, path: str, since: int = 0) -> list[str]:
    """Log lines with this method and path, after the first `since` characters of the log."""
    return [
        line for line in subject.server.log_text()[since:].splitlines() if method in line and path in line
    ]


def milliseconds(line: str, *others: object) -> list[float]:
    """Numbers in a log line that can be a duration; `others` are removed from the line first."""
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
def test_answers_that_cost_nothing_are_logged_too(own: Subject) -> None:
    path = "/products?limit=3"
    tag = own.get(path).headers.get("etag", '"none"')
    own.get(path)
    own.get(path)
    own.get(path, if_none_match=tag)

    def with_duration() -> list[str]:
        lines = lines_about(own, "GET", "/products")
        return [line for line in lines if any(n > 0 for n in milliseconds(line, path, 200, 304))]

    assert until(lambda: len(with_duration()) >= 4, deadline_s=1.5), f"4 requests, {with_duration()}"


@pytest.mark.requirement("R16")
def test_a_request_that_breaks_is_logged_too(own: Subject) -> None:
    own.sql("alter table categories rename to elsewhere")

    assert own.get("/categories").status_code == 500
    assert until(lambda: lines_about(own, "GET", "/categories"), deadline_s=1.5), "no line about the request"
    assert [n for line in lines_about(own, "GET", "/categories") for n in milliseconds(line, 500) if n > 0]


def words(subject: Subject, path: str) -> set[str]:
    """The words of the log lines about a path, without numbers; polls, because lines may be written late."""
    assert until(lambda: lines_about(subject, "GET", path), deadline_s=1.5), f"no line about {path}"
    lines = [NUMBER.sub("0", line.replace(path, "PATH")) for line in lines_about(subject, "GET", path)]
    return {word for line in lines for word in re.split(r"[\s,]+", line)}


def request_while_locked(subject: Subject, paths: list[str], seconds: float) -> None:
    """Request some products while their table is locked for some seconds."""
    with psycopg.connect(subject.stage.admin_url, options=NO_LONG_WAIT) as holder:
        holder.execute("LOCK TABLE products IN ACCESS EXCLUSIVE MODE")
        readers = [threading.Thread(target=subject.get, args=(path,)) for path in paths]
        for reader in readers:
            reader.start()
        holder.execute(f"select pg_sleep({seconds})".encode())
    for reader in readers:
        reader.join()


def quick_paths(subject: Subject) -> list[str]:
    """Paths that were answered in well under 200 ms."""
    paths = [f"/products/{number}" for number in range(1101, 1111)]
    quick = [path for path in paths if subject.get(path).elapsed < QUICK]
    assert quick, "none of ten requests for one product took less than 200 ms"
    return quick


@pytest.mark.requirement("R16")
def test_a_request_over_200_ms_is_flagged(own: Subject) -> None:
    slow_paths = ["/products/1077", "/products/1078"]
    request_while_locked(own, slow_paths, 0.4)
    unflagged = set().union(*(words(own, path) for path in quick_paths(own)))

    # A flag may have any spelling: it is a word in the lines of both slow requests and of no quick one.
    flag = words(own, slow_paths[0]) & words(own, slow_paths[1]) - unflagged
    slow = lines_about(own, "GET", slow_paths[0])
    assert flag, slow
    numbers = [n for line in slow for n in milliseconds(line, slow_paths[0], 200)]
    assert [n for n in numbers if 0.2 <= n < 5 or 200 <= n < 5000], slow


@pytest.mark.requirement("R16")
def test_a_request_under_200_ms_is_not_flagged(own: Subject) -> None:
    slow_paths = ["/products/1077", "/products/1078"]
    request_while_locked(own, slow_paths, 0.4)
    quick, *others = quick_paths(own)
    flagged = words(own, slow_paths[0]) & words(own, slow_paths[1])

    for path in others:
        assert flagged & words(own, path) == flagged & words(own, quick) != flagged
