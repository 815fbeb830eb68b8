"""The duration of every request is logged: R16."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from threading import Event

import pytest

from evaluation.serving import log_lines
from evaluation.serving.log_lines import Request
from evaluation.serving.workbench import Stage
from tests.audit.tables import LIFETIME_S
from tests.conftest import AUDITOR, WITHOUT_PROBE, Subject, holding_table, subject_on
from tests.observing import until
from tests.passing_time import pass_time
from tests.waiting import cut_off

DEADLINE_S, IMPATIENT_S = 5.0, 1.0
MISSED = Event()
"""Set once lines did not come in time."""
AT_ONCE = {"/products/1111": 150, "/nowhere": 150, "/products?limit=2&category_id=9": 900}
"""What is asked so many times at once; a listing that is kept is answered fastest."""
QUICK_S = 0.160
JUST_LONG_S, LONG_S, SHORT_S, VERY_SHORT_S, SOON_S = 0.203, 0.25, 0.10, 0.02, 1.75
SECONDS_S = 2.1
STARTED_S = 0.03
"""What a request may need until it waits."""
CLOSE_S, TRIES = 0.04, 5
"""A busy machine takes longer than it is told to; so many tries are made to come close."""
NOTHING_QUICK_S = 30.0


def lines_about(subject: Subject, method: str, path: str, since: int = 0) -> list[str]:
    """Log lines with this method and path, after the first `since` characters of the log."""
    return log_lines.lines_about(Request(method, path), subject.server.log_text()[since:].splitlines())


def comes(line: Callable[[], object]) -> bool:
    """Whether lines come; where some did not come once, there is no use in waiting for others as long."""
    has_come = until(line, IMPATIENT_S if MISSED.is_set() or AUDITOR.wrong["R16.1"] else DEADLINE_S)
    if not has_come:
        MISSED.set()
    return has_come


def wait_for_lines(subject: Subject, method: str, path: str, since: int = 0) -> list[str]:
    """The log lines with this method and path; polls, because lines may be written late."""

    def found() -> list[str]:
        return lines_about(subject, method, path, since)

    assert comes(found), f"no line about {method} {path}"
    return found()


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

    assert comes(fits), f"{method} {path}: {lines_about(api, method, path, before)}"


@pytest.mark.criterion("R16.1")
def test_answers_that_cost_nothing_are_logged_too(own: Subject) -> None:
    path = "/products?limit=3"
    tag = own.get(path).headers.get("etag", '"none"')
    own.get(path)
    own.get(path)
    own.get(path, if_none_match=tag)

    all_come = comes(lambda: len(lines_about(own, "GET", "/products")) >= 4)
    assert all_come, f"4 requests, {lines_about(own, 'GET', '/products')}"


@pytest.mark.criterion("R16.1")
def test_many_requests_at_a_time_have_a_line_each(own: Subject) -> None:
    for path, times in AT_ONCE.items():
        own.get(path)
        assert sum(own.get_all([path] * times, 30).outcomes.values()) == times

        def lines(path: str = path.partition("?")[0]) -> list[str]:
            return lines_about(own, "GET", path)

        assert comes(lambda: len(lines()) > times), f"{len(lines())} lines of {path}"  # noqa: B023


@pytest.mark.criterion("R16.1")
def test_a_line_is_written_while_other_requests_go_on(api: Subject) -> None:
    path, other = "/products/1717", "/products?limit=1&category_id=17"
    before = len(api.server.log_text())
    api.get(path)

    def has_come() -> bool:
        api.get(other)
        return bool(lines_about(api, "GET", path, before))

    assert comes(has_come), "no line as long as others are answered"


@pytest.mark.criterion("R16.1")
def test_a_line_is_written_soon_after_the_answer(own: Subject) -> None:
    waited_s = soonest_lines(own)
    assert min(waited_s[1:]) < SOON_S, f"lines were written after {waited_s} s"

    over = Event()

    def others() -> None:
        while not over.wait(0.01):
            own.get("/categories")

    with ThreadPoolExecutor(1) as executor:
        asking = executor.submit(others)
        try:
            waited_s = soonest_lines(own)
        finally:
            over.set()
        asking.result()
    assert min(waited_s[1:]) < SOON_S, f"while others asked, lines were written after {waited_s} s"


def soonest_lines(subject: Subject) -> list[float]:
    """The seconds until lines about a few requests were there, as many as it took to see a quick one.

    A busy machine is no slow candidate; the first may be written with others.
    """
    waited_s: list[float] = []
    while len(waited_s) < 4 and min(waited_s[1:], default=SOON_S) >= SOON_S:
        path = f"/products/{next(UNASKED)}"
        subject.json(path)
        started = time.perf_counter()
        wait_for_lines(subject, "GET", path)
        waited_s.append(time.perf_counter() - started)
    return waited_s


@pytest.mark.criterion("R16.4")
def test_a_request_that_breaks_is_logged_too(own: Subject) -> None:
    own.audit.may_fail = True
    known = "/products?limit=5"
    own.json(known)
    own.json(known)
    pass_time([own], LIFETIME_S + 1)
    own.sql("alter table categories rename to elsewhere")
    for target in ("/categories", "/products/5", "/products/batch?ids=5,6", "/products?limit=4", known):
        path, before = target.partition("?")[0], len(own.server.log_text())
        started = time.perf_counter()
        answer = own.get(target)
        request = Request("GET", path, answer.status_code, time.perf_counter() - started)

        def fits(request: Request = request, before: int = before) -> bool:
            return any(request.fits(line) for line in lines_about(own, "GET", request.path, before))

        # A cache whose clock cannot be moved may still have the listing.
        assert answer.status_code >= 500 or target == known, f"{target}: {answer.status_code}"
        assert comes(fits), f"{target}: {lines_about(own, 'GET', path, before)}"


@dataclass(frozen=True, slots=True)
class Timed:
    """A request, how long it took, and its log lines."""

    request: Request
    lines: list[str]

    @property
    def words(self) -> frozenset[str]:
        """The words of the lines that can be about this request."""
        return frozenset().union(
            *(self.request.words(line) for line in self.lines if self.request.fits(line))
        )


@dataclass(frozen=True, slots=True)
class Sent:
    """A request and the status that it must get."""

    method: str
    target: str
    status: int = 200

    def body(self) -> dict[str, object] | None:
        """What goes with it."""
        bodies: dict[str, dict[str, object]] = {
            "PUT": {"name": "Held up"},
            "POST": {"author_id": 1, "rating": 4, "title": "Held up"},
        }
        return bodies.get(self.method)


def held_up(
    subject: Subject, requests: list[Sent], seconds: float, *, is_cut_off: bool = False
) -> list[Timed]:
    """Send requests while nobody can read products, and let them wait for so long.

    Those that are cut off then lose their connections to Postgres, and get what they get.
    """

    def send(request: Sent) -> tuple[Sent, float]:
        started = time.perf_counter()
        answer = subject.http.request(request.method, request.target, json=request.body())
        assert is_cut_off or answer.status_code == request.status, f"{request}: {answer.status_code}"
        return replace(request, status=answer.status_code), time.perf_counter() - started

    # What earlier requests have left to do does not wait in the place of these.
    assert until(lambda: subject.observer.counters.busy() == 0), "there is work without a request"
    before = len(subject.server.log_text())
    with ThreadPoolExecutor(len(requests)) as executor:
        with holding_table(subject) as waiting:
            running = [executor.submit(send, request) for request in requests]
            assert until(lambda: waiting() >= len(requests)), f"{waiting()} of {len(requests)} requests wait"
            time.sleep(seconds)
            if is_cut_off:
                cut_off(subject)
        answered = [one.result() for one in running]
    for request in requests:
        subject.audit.note_held(request.target.partition("?")[0], seconds)
    return [timed(subject, *one, before, seconds) for one in answered]


def quick(subject: Subject, paths: list[str]) -> list[Timed]:
    """Requests that nothing holds up, those that were quick indeed."""
    found = []
    for path in paths:
        before = len(subject.server.log_text())
        elapsed_s = subject.get(path).elapsed.total_seconds()
        found.append(timed(subject, Sent("GET", path), elapsed_s, before))
    return [one for one in found if one.request.elapsed_s < QUICK_S]


def timed(subject: Subject, sent: Sent, elapsed_s: float, since: int = 0, held_s: float = 0.0) -> Timed:
    """A request with its lines, which stand after the first `since` characters of the log.

    Lines of earlier requests may be written late as well, so one that fits is waited for.
    """
    request = Request(sent.method, sent.target.partition("?")[0], sent.status, elapsed_s, held_s)
    wait_for_lines(subject, request.method, request.path, since)

    def lines() -> list[str]:
        return lines_about(subject, request.method, request.path, since)

    comes(lambda: any(request.fits(line) for line in lines()))
    return Timed(request, lines())


KNOWN = "/products?limit=8"
UNASKED = count(1501)
"""Products that nothing else asks for: a catalog that keeps them must read them."""
UNLISTED = (f"limit={99 - number // 41}&category_id={1 + number % 41}" for number in count())
"""Listings that nothing else asks for: a write need not make a catalog forget those of other categories."""
SLOW: dict[str, Callable[[], list[Sent]]] = {
    "details": lambda: [Sent("GET", f"/products/{next(UNASKED)}")],
    "known": lambda: [Sent("GET", KNOWN)],
    "refusals": lambda: [
        Sent("GET", f"/products/{4_000_000 + next(UNASKED)}", 404),
        Sent("PUT", f"/products/{4_000_000 + next(UNASKED)}", 404),
        Sent("DELETE", f"/products/{4_000_000 + next(UNASKED)}", 404),
        Sent("POST", f"/products/{4_000_000 + next(UNASKED)}/reviews", 404),
    ],
    "all-kinds": lambda: [
        Sent("GET", f"/products/{next(UNASKED)}"),
        Sent("GET", f"/products/batch?ids={next(UNASKED)},{next(UNASKED)}"),
        Sent("GET", f"/products?{next(UNLISTED)}"),
        Sent("PUT", f"/products/{next(UNASKED)}"),
    ],
}


@pytest.fixture
def forgetful(blocked: Subject) -> Subject:
    """The candidate, which knows a listing, and must load it again because of a write."""
    blocked.json(KNOWN)
    blocked.json(KNOWN)
    make_forget(blocked)
    return blocked


def make_forget(subject: Subject) -> None:
    """Write, so that every listing must be loaded again."""
    subject.http.put("/products/1", json={"name": f"Changed {next(UNASKED)}"}).raise_for_status()


@pytest.mark.criterion("R16.3")
@pytest.mark.parametrize("slow", list(SLOW))
@pytest.mark.parametrize("seconds", [JUST_LONG_S, LONG_S])
def test_requests_over_200_ms_are_flagged_and_no_others(
    forgetful: Subject, slow: str, seconds: float
) -> None:
    check_flags(forgetful, slow, seconds)


@pytest.mark.criterion("R16.3")
def test_slow_requests_are_flagged_without_the_probe(blocked_stage: Stage, candidate: Path) -> None:
    with subject_on(blocked_stage, candidate, options=WITHOUT_PROBE) as subject:
        check_flags(subject, "all-kinds", LONG_S)


@pytest.mark.criterion("R16.3")
def test_slow_requests_that_fail_are_flagged_like_all_others(own: Subject) -> None:
    own.audit.may_fail = True
    reads = [one for one in SLOW["all-kinds"]() if one.method == "GET"]

    check_flags(own, "details", LONG_S, held_up(own, reads, LONG_S, is_cut_off=True))


def check_flags(subject: Subject, slow: str, seconds: float, others: Sequence[Timed] = ()) -> None:
    """A word marks the lines of requests that take so long, and of others; and of none that is quick."""
    long = held_up(subject, SLOW[slow](), seconds)
    for _ in range(TRIES):
        if min(one.request.elapsed_s for one in long) < seconds + CLOSE_S:
            break
        make_forget(subject)
        long += held_up(subject, SLOW[slow](), seconds)
    # A flag may have any spelling: it is a word in the lines of all slow requests and of no quick one.
    common = frozenset.intersection(*(one.words for one in (*long, *others)))
    # A second try is for a busy machine, where a process may lose the processor behind a quick answer.
    for _ in range(2):
        unflagged = quick_ones(subject)
        if flag := common - frozenset().union(*(one.words for one in unflagged)):
            break

    told = [f"{1000 * one.request.elapsed_s:.0f} ms: {one.lines}" for one in (*long, *others, *unflagged)]
    assert flag, "\n".join(["no word marks all slow requests and none of the quick ones", *told])


def quick_ones(subject: Subject) -> list[Timed]:
    """Requests that took less than 160 ms: some that were held up for a moment, and some that were not."""
    found: list[Timed] = []
    # On a busy machine nothing may be quick for a moment.
    deadline = time.monotonic() + NOTHING_QUICK_S
    while not found:
        assert time.monotonic() < deadline, f"no request took less than 160 ms for {NOTHING_QUICK_S} s"
        shorts = [Sent("GET", f"/products/{next(UNASKED)}") for _ in range(4)]
        found = [one for one in held_up(subject, shorts, SHORT_S) if one.request.elapsed_s < QUICK_S]
        # Listings as well: the name of a route is no flag.
        found += quick(subject, [*(f"/products/{next(UNASKED)}" for _ in range(10)), *[KNOWN] * 3])
    return found


@pytest.mark.criterion("R16.2")
@pytest.mark.parametrize("slow", list(SLOW))
@pytest.mark.parametrize("seconds", [VERY_SHORT_S, SHORT_S, LONG_S])
def test_the_duration_of_a_request_that_was_held_up_is_the_whole_time(
    forgetful: Subject, slow: str, seconds: float
) -> None:
    for one in held_up(forgetful, SLOW[slow](), seconds):
        fits = any(one.request.fits(line) for line in one.lines)
        assert fits, f"held up for {1000 * seconds:.0f} ms: {one.lines}"


@pytest.mark.criterion("R16.2")
def test_the_duration_of_a_request_that_takes_more_than_a_second_has_its_seconds(forgetful: Subject) -> None:
    [slow] = held_up(forgetful, SLOW["details"](), SECONDS_S)

    assert any(slow.request.fits(line) for line in slow.lines), f"held up for {SECONDS_S} s: {slow.lines}"


@pytest.mark.criterion("R16.2")
def test_requests_at_the_same_time_have_each_their_own_duration(own: Subject) -> None:
    paths = [f"/products/{number}" for number in range(1301, 1304)]
    with ThreadPoolExecutor(len(paths)) as executor, holding_table(own) as waiting:
        started = {}
        for number, path in enumerate(paths, start=1):
            started[path] = time.perf_counter(), executor.submit(own.get, path)
            until(lambda wanted=number: waiting() >= wanted)  # type: ignore[misc]
            time.sleep(SHORT_S)
        released_at = time.perf_counter()

    for path, (at, answer) in started.items():
        elapsed_s = answer.result().elapsed.total_seconds()
        request = Request("GET", path, 200, elapsed_s, held_s=released_at - at - STARTED_S)
        lines = wait_for_lines(own, "GET", path)
        assert any(request.fits(line) for line in lines), f"{request}: {lines}"
