"""The duration of every request is logged: R16."""

import re
import threading
import time

import psycopg
import pytest

from tests.conftest import Subject

SLOW = re.compile(r"slow|warn", re.IGNORECASE)
NUMBER = re.compile(r"\d+\.\d+|\d+")


def lines_about(subject: Subject, method: str, path: str, deadline_s: float = 2.0) -> list[str]:
    """Log lines with this method and path; waits for the first."""
    deadline = time.monotonic() + deadline_s
    while True:
        text = subject.server.log_text()
        lines = [line for line in text.splitlines() if method in line and path in line]
        if lines or time.monotonic() > deadline:
            return lines
        time.sleep(0.01)


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
    started = time.perf_counter()
    assert api.http.request(method, path).status_code == status
    took_ms = (time.perf_counter() - started) * 1000
    lines = lines_about(api, method, path)

    assert lines, f"no line about {method} {path}"
    rest = lines[-1].replace(path, "").replace(str(status), "")
    assert [n for n in NUMBER.findall(rest) if 0 < float(n) <= took_ms], lines


@pytest.mark.requirement("R16")
def test_a_request_that_breaks_is_logged_too(own: Subject) -> None:
    own.sql("alter table categories rename to elsewhere")

    assert own.get("/categories").status_code == 500
    assert [n for line in lines_about(own, "GET", "/categories") for n in NUMBER.findall(line)]


@pytest.mark.requirement("R16")
def test_a_request_over_200_ms_is_flagged(own: Subject) -> None:
    with psycopg.connect(own.stage.admin_url) as holder:
        holder.execute("LOCK TABLE products IN ACCESS EXCLUSIVE MODE")
        reader = threading.Thread(target=own.get, args=("/products/77",))
        reader.start()
        holder.execute("select pg_sleep(0.4)")
    reader.join()
    own.get("/products/78")
    slow, fast = lines_about(own, "GET", "/products/77"), lines_about(own, "GET", "/products/78")

    assert slow, "no line about the slow request"
    assert SLOW.search(slow[-1]), slow
    assert [n for n in NUMBER.findall(slow[-1]) if 0.2 <= float(n) < 5 or 200 <= float(n) < 5000]
    assert fast
    assert not SLOW.search(fast[-1]), fast
