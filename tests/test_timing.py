"""The duration of every request is logged: R16."""

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from tests.audit import log_lines
from tests.audit.log_lines import Request
from tests.burst import burst
from tests.conftest import Subject, holding_table
from tests.observing import until

DEADLINE_S = 5.0
QUICK_S = 0.190
LONG_S, SHORT_S = 0.25, 0.10


def lines_about(subject: Subject, method: str, path: str, since: int = 0) -> list[str]:
    """Log lines with this method and path, after the first `since` characters of the log."""
    request = Request(method, path, 200, 0.0)
    return log_lines.lines_about(request, subject.server.log_text()[since:].splitlines())


@pytest.mark.criterion("R16.2")
@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/products/1901", 200),
        ("GET", "/products/1900000", 404),
        ("GET", "/products/abc", 422),
        ("DELETE", "/products/1700000", 404),
        ("PUT", "/products/1600000", 422),
        ("POST", "/products/1500000/reviews", 422),
        ("GET", "/nowhere", 404),
        ("GET", "/categories", 200),
        ("GET", "/health", 200),
    ],
)
def test_every_request_is_logged_with_its_duration(api: Subject, method: str, path: str, status: int) -> None:
    before = len(api.server.log_text())
    started = time.perf_counter()
    assert api.http.request(method, path).status_code == status
    request = Request(method, path, status, time.perf_counter() - started)

    def fits() -> bool:
        return any(request.fits(line) for line in lines_about(api, method, path, before))

    assert until(fits, DEADLINE_S), f"{method} {path}: {lines_about(api, method, path, before)}"


@pytest.mark.criterion("R16.1")
def test_answers_that_cost_nothing_are_logged_too(own: Subject) -> None:
    path = "/products?limit=3"
    tag = own.get(path).headers.get("etag", '"none"')
    own.get(path)
    own.get(path)
    own.get(path, if_none_match=tag)

    assert until(lambda: len(lines_about(own, "GET", "/products")) >= 4, DEADLINE_S), (
        f"4 requests, {lines_about(own, 'GET', '/products')}"
    )


@pytest.mark.criterion("R16.1")
def test_many_requests_at_a_time_have_a_line_each(own: Subject) -> None:
    for path in ("/products/1111", "/products?limit=2&category_id=9", "/nowhere"):
        assert sum(burst(own.server.port, [path] * 60, 15).outcomes.values()) == 60

        def lines(path: str = path.partition("?")[0]) -> list[str]:
            return lines_about(own, "GET", path)

        assert until(lambda: len(lines()) >= 60, DEADLINE_S), f"60 requests for {path}, {len(lines())} lines"


@pytest.mark.criterion("R16.4")
def test_a_request_that_breaks_is_logged_too(own: Subject) -> None:
    own.audit.may_fail = True
    own.sql("alter table categories rename to elsewhere")
    started = time.perf_counter()
    answer = own.get("/categories")
    request = Request("GET", "/categories", answer.status_code, time.perf_counter() - started)

    def fits() -> bool:
        return any(request.fits(line) for line in lines_about(own, "GET", "/categories"))

    assert answer.status_code >= 500
    assert until(fits, DEADLINE_S), lines_about(own, "GET", "/categories")


@dataclass(frozen=True, slots=True)
class Timed:
    """A request whose path is used once, how long it took, and the words of its log lines."""

    request: Request
    words: frozenset[str]


def held_up(subject: Subject, requests: list[tuple[str, str]], seconds: float) -> list[Timed]:
    """Send requests while nobody can read products, and let them wait for so long."""

    def send(method: str, path: str) -> float:
        started = time.perf_counter()
        body = {"name": "Held up"} if method == "PUT" else None
        assert subject.http.request(method, path, json=body).status_code == 200
        return time.perf_counter() - started

    with ThreadPoolExecutor(len(requests)) as executor:
        with holding_table(subject) as waiting:
            running = [executor.submit(send, *request) for request in requests]
            assert until(lambda: waiting() >= len(requests)), f"{waiting()} of {len(requests)} requests wait"
            time.sleep(seconds)
        times = [one.result() for one in running]
    return [timed(subject, *request, elapsed) for request, elapsed in zip(requests, times, strict=True)]


def quick(subject: Subject, paths: list[str]) -> list[Timed]:
    """Requests that nothing holds up, those that were quick indeed."""
    found = [timed(subject, "GET", path, subject.get(path).elapsed.total_seconds()) for path in paths]
    return [one for one in found if one.request.elapsed_s < QUICK_S]


def timed(subject: Subject, method: str, target: str, elapsed_s: float) -> Timed:
    """A request with the words of its lines; polls, because lines may be written late."""
    path = target.partition("?")[0]
    assert until(lambda: lines_about(subject, method, path), DEADLINE_S), f"no line about {method} {path}"
    request = Request(method, path, 200, elapsed_s)
    lines = [line for line in lines_about(subject, method, path) if request.fits(line)]
    return Timed(request, frozenset().union(*(request.words(line) for line in lines)))


SLOW = [
    ("GET", "/products/1077"),
    ("GET", "/products/batch?ids=3,4"),
    ("GET", "/products?limit=7"),
    ("PUT", "/products/9"),
]


@pytest.mark.criterion("R16.3")
@pytest.mark.parametrize("slow", [SLOW[:1], SLOW], ids=["details", "all-kinds"])
def test_requests_over_200_ms_are_flagged_and_no_others(own: Subject, slow: list[tuple[str, str]]) -> None:
    long = held_up(own, slow, LONG_S)
    short = held_up(own, [("GET", f"/products/{number}") for number in range(1201, 1205)], SHORT_S)
    others = quick(own, [f"/products/{number}" for number in range(1101, 1111)])
    unflagged = [one for one in (*short, *others) if one.request.elapsed_s < QUICK_S]
    assert unflagged, "no request took less than 190 ms"

    # A flag may have any spelling: it is a word in the lines of all slow requests and of no quick one.
    common = frozenset.intersection(*(one.words for one in long))
    flag = common - frozenset().union(*(one.words for one in unflagged))

    assert flag, f"slow: {[sorted(one.words) for one in long]}, quick: {sorted(unflagged[0].words)}"


@pytest.mark.criterion("R16.2")
def test_the_duration_of_a_request_that_was_held_up_is_the_whole_time(own: Subject) -> None:
    [one] = held_up(own, [("GET", "/products/1078")], LONG_S)
    request = Request("GET", one.request.path, 200, one.request.elapsed_s, held_s=LONG_S)

    lines = lines_about(own, "GET", one.request.path)
    assert any(request.fits(line) for line in lines), f"held up for {1000 * LONG_S:.0f} ms: {lines}"
