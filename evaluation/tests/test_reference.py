"""What only the reference promises of a single process: its log, HEAD, shared calls, and answers in need."""

import asyncio
import re
import runpy
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import redis

from evaluation.serving.connection import Connection
from evaluation.serving.logins import CONNECTIONS
from evaluation.serving.workbench import Stage
from evaluation.tests.served import REFERENCE, Served, holding, run_sql, served
from tests.burst import burst
from tests.observing import until

LEVELS = ("INFO ", "WARNING ")
LINES_LATER = ("config.py", "LOG_DELAY_S = 0.05", "LOG_DELAY_S = 30.0")
QUICK, AT_ONCE, SOON_S = 20, 50, 0.2
HEADER_BYTES, SPELLINGS, GROWTH_MB = 1_000_000, 100, 60
WRITERS, WAITING_WRITERS, READ_WITHIN_S = 120, 40, 5.0
NEW = {"name": "New", "price": "1.00", "category_id": 1}
REVIEW = {"author_id": 1, "rating": 5, "title": "Good"}
KNOWN = "/products?limit=3"
NEVER_READ = count(2)
SMALLEST_COMPRESSED = 1_000
STYLE = re.compile(r'href="([^"]+\.css)"')


@pytest.fixture(scope="module")
def catalog(stage: Stage) -> Iterator[Served]:
    with served(stage, REFERENCE) as catalog:
        yield catalog


def test_every_request_of_a_burst_has_one_log_record(stage: Stage) -> None:
    with served(stage, REFERENCE) as catalog:
        catalog.json(KNOWN)
        burst(catalog.server.port, [KNOWN] * AT_ONCE, 30)

        assert until(lambda: len(catalog.lines("GET /products ")) == 1 + AT_ONCE)
        assert [line for line in catalog.lines("/products") if not line.startswith(LEVELS)] == []


def exchanged(port: int, method: str, path: str) -> tuple[list[bytes], bytes]:
    """Status line and headers of an answer without its date, in order, and its body as it was sent."""
    with socket.create_connection(("127.0.0.1", port), 30) as client:
        request = f"{method} {path} HTTP/1.1\r\nHost: catalog\r\nAccept-Encoding: gzip\r\n"
        client.sendall(f"{request}Connection: close\r\n\r\n".encode())
        head, _, body = b"".join(iter(lambda: client.recv(1 << 16), b"")).partition(b"\r\n\r\n")
    return sorted(line for line in head.split(b"\r\n") if not line.startswith(b"date:")), body


@pytest.mark.parametrize(
    ("path", "route", "status"),
    [
        ("/health", "/health", 200),
        ("/categories", "/categories", 200),
        ("/products?limit=2", "/products", 200),
        ("/products?limit=0", "/products", 422),
        ("/products/batch?ids=1,2", "/products/batch", 200),
        ("/products/1", "/products/{product_id}", 200),
        ("/products/999999", "/products/{product_id}", 404),
        ("/docs", "/docs", 200),
        ("/docs/files/swagger-ui.css", "-", 200),
        ("/openapi.json", "-", 200),
        ("/nowhere", "-", 404),
    ],
)
def test_head_is_get_without_its_body(catalog: Served, path: str, route: str, status: int) -> None:
    got, _ = exchanged(catalog.server.port, "GET", path)
    head, body = exchanged(catalog.server.port, "HEAD", path)

    assert (head, body) == (got, b"")
    line = f" HEAD {path.partition('?')[0]} route={route} status={status} "
    assert until(lambda: catalog.lines(line)), catalog.lines(" HEAD ")


@pytest.mark.parametrize("steps", [0, 1])
def test_a_shared_call_that_was_cancelled_is_made_anew_for_who_asks_next(steps: int) -> None:
    next_call: Callable[..., Any] = runpy.run_path(str(REFERENCE / "next_call.py"))["NextCall"]

    async def call() -> str:
        await asyncio.sleep(0.01)
        return "an answer"

    async def answers() -> tuple[str, bool]:
        shared = next_call(call)
        first = shared.ask()
        for _ in range(steps):
            await asyncio.sleep(0)
        shared.running.cancel()
        await asyncio.sleep(0)
        answer = await asyncio.wait_for(shared.ask(), SOON_S)
        return answer, first.done() and bool(first.exception() or first.result())

    assert asyncio.run(answers()) == ("an answer", True)


def test_lines_that_are_pending_when_a_process_is_stopped_are_written(
    stage: Stage, variant: Callable[..., Path]
) -> None:
    folder = variant(LINES_LATER)
    for are_sessions_ended in (False, True):
        with served(stage, folder) as stopped:
            stopped.json(KNOWN)
            if are_sessions_ended:
                stopped.end_sessions()
            with closing(Connection(stopped.server.port)) as connection:
                for _ in range(QUICK - 1):
                    connection.get(KNOWN)
            stopped.server.stop()

            assert len(stopped.lines(" GET /products ")) == QUICK


@pytest.mark.parametrize(
    ("spelling", "takes_gzip"),
    [
        (["GZIP"], True),
        (["x, gZip ;Q=0.5"], True),
        (["*"], True),
        (["identity;q=0, *;q=0.1"], True),
        (["identity", "gzip"], True),
        (["gzip", "identity"], True),
        (["gzip;q=0.000"], False),
        (["*;q=0"], False),
        (["gzip;q=0", "*"], False),
        (["*", "GZIP; q=0"], False),
        (["gzipped, x-gzip2"], False),
        ([""], False),
    ],
)
def test_a_spelling_of_accept_encoding_means_the_same_on_every_route(
    catalog: Served, spelling: list[str], takes_gzip: bool
) -> None:
    headers = [("accept-encoding", value) for value in spelling]
    cold = f"/products?category_id={next(NEVER_READ)}&is_active=false"
    others = ("/products/1", "/products/batch?ids=1,2", "/categories", "/openapi.json")

    answers = [catalog.http.get(path, headers=headers) for path in (cold, cold, f"{cold}&limit=9", *others)]
    answers.append(catalog.http.put("/products/1", headers=headers, json={}))

    assert [one.status_code for one in answers] == [200] * len(answers)
    assert all(len(one.content) >= SMALLEST_COMPRESSED for one in answers)
    assert {one.headers.get("content-encoding") for one in answers} == {"gzip" if takes_gzip else None}


def test_spellings_of_accept_encoding_that_are_very_long_are_not_kept(catalog: Served) -> None:
    catalog.json(KNOWN)

    def send(spellings: range) -> None:
        with closing(Connection(catalog.server.port)) as connection:
            for number in spellings:
                named = {"Accept-Encoding": f"{number}".ljust(HEADER_BYTES, "x")}
                assert connection.ask("GET", KNOWN, named).status == 200

    send(range(5))
    before_mb = catalog.server.peak_mb()
    send(range(5, 5 + SPELLINGS))

    assert catalog.server.peak_mb() - before_mb < GROWTH_MB


def test_nobody_forges_a_log_line(catalog: Served) -> None:
    with closing(Connection(catalog.server.port)) as connection:
        connection.get("/nowhere-else%0aINFO%20GET%20/forged%1b[31m")

    assert until(lambda: catalog.lines("/nowhere-else"))
    assert len(catalog.lines("forged")) == 1
    assert "\x1b" not in catalog.server.log_text()
    assert not [line for line in catalog.lines("") if line.startswith("INFO GET /forged")]


@pytest.fixture
def without_connections(catalog: Served) -> Iterator[Served]:
    """The catalog with a known listing that is out of date, and no connection to Postgres."""
    catalog.json(KNOWN)
    limit = f"alter role {catalog.stage.role} connection limit"
    run_sql(catalog.stage.counters_url, f"{limit} 0")
    catalog.end_sessions()
    with redis.Redis.from_url(catalog.stage.redis_url) as client:
        client.delete("catalog:stamp")
    yield catalog
    run_sql(catalog.stage.counters_url, f"{limit} {CONNECTIONS}")


def test_without_connections_to_postgres_everything_is_answered_503(without_connections: Served) -> None:
    catalog = without_connections
    before = len(catalog.server.log_text())
    asked: list[tuple[str, str, object]] = [
        *(("GET", path, None) for path in ("/categories", KNOWN, "/products?limit=4")),
        *(("GET", path, None) for path in ("/products/batch?ids=1,2", "/products/1")),
        ("POST", "/products", NEW),
        ("PUT", "/products/1", {"name": "Renamed"}),
        ("DELETE", "/products/2000", None),
        ("POST", "/products/1/reviews", REVIEW),
    ]

    answers = [catalog.http.request(method, path, json=body) for method, path, body in asked]

    assert [answer.status_code for answer in answers] == [503] * len(asked)
    assert all(answer.headers["retry-after"] and answer.json()["detail"] for answer in answers)
    assert {answer.headers["vary"] for answer in answers} == {"Accept-Encoding"}
    assert until(lambda: catalog.server.log_text()[before:].count(" status=503 ") == len(asked))
    log = catalog.server.log_text()[before:]
    assert "Traceback" not in log
    told = [line for line in log.splitlines() if line.startswith(("ERROR ", "WARNING ")) and " 503: " in line]
    assert len(told) == len(asked), log


def test_a_postgres_that_only_reads_refuses_writes_for_a_while(catalog: Served) -> None:
    setting = f"alter role {catalog.stage.role} {{}} default_transaction_read_only"
    run_sql(catalog.stage.counters_url, f"{setting.format('set')} = on")
    catalog.end_sessions()
    refused = catalog.http.put("/products/3", json={"name": "Renamed"})
    run_sql(catalog.stage.counters_url, setting.format("reset"))
    catalog.end_sessions()

    assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
    assert catalog.http.put("/products/3", json={"name": "Renamed"}).status_code == 200


def test_a_file_that_is_sent_plain_and_compressed_has_a_weak_tag(catalog: Served) -> None:
    [link] = set(STYLE.findall(catalog.http.get("/docs").text))
    plain, compressed = (
        catalog.http.get(link, headers={"accept-encoding": coding}) for coding in ("identity", "gzip")
    )

    assert (plain.headers.get("content-encoding"), compressed.headers["content-encoding"]) == (None, "gzip")
    assert plain.headers["etag"] == compressed.headers["etag"]
    assert plain.headers["etag"].startswith('W/"')


def test_writers_that_wait_for_a_locked_row_do_not_stop_readers(catalog: Served) -> None:
    port = catalog.server.port
    writes = ['PUT /products/77 {"quantity": 5}'] * WRITERS
    with ThreadPoolExecutor() as pool:
        with holding(catalog.stage, "select 1 from products where id = 77 for update") as waiting:
            written = pool.submit(burst, port, writes, 30.0)
            assert until(lambda: waiting() >= WAITING_WRITERS)

            read = burst(port, [f"/products/{number}" for number in range(70, 80)], READ_WITHIN_S)

        assert read.outcomes == {"200": 10}
        assert written.result().outcomes == {"200": WRITERS}
