"""The load client, against the null server and against a server that closes its connections."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from evaluation.measure.rounds import run_client
from evaluation.services.cleaner import Cleaner
from evaluation.serving.server import Server, serving
from evaluation.serving.spawn import ForkServers

ROOT = Path(__file__).parents[2]
READS = [{"path": "/"}]


@pytest.fixture(scope="module")
def null(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    log = tmp_path_factory.mktemp("null") / "log"
    options = ("--null", "5000")
    with (
        Cleaner() as cleaner,
        ForkServers(cleaner) as forkservers,
        serving(ROOT / "repository_after", "", "", log, forkservers, options=options) as null,
    ):
        yield null


def test_a_closed_loop_sends_exactly_the_requested_number(null: Server) -> None:
    plan = {"ports": [null.port], "clients": 7, "requests": READS, "seconds": 5, "stop_after": 100}

    [result] = run_client([plan])

    assert result["sent"] == 100
    assert result["outcomes"] == {"200": 100}
    assert len(result["latencies_ms"]) == 100
    assert result["seconds"] < 4, "the client waited until the time was over"


def test_an_open_loop_keeps_its_rate(null: Server) -> None:
    plan = {"ports": [null.port], "clients": 5, "requests": READS, "seconds": 1, "rate": 200}

    [result] = run_client([plan])

    assert 100 <= result["outcomes"]["200"] <= 210
    assert result["outcomes"].get("never sent", 0) <= 20


def test_the_warm_up_is_not_counted(null: Server) -> None:
    plan = {"ports": [null.port], "clients": 2, "requests": READS, "seconds": 0.2, "warm_up_s": 0.2}

    [result] = run_client([plan])

    assert result["warm_up_requests"] > 0
    assert result["outcomes"] == {"200": len(result["latencies_ms"])}
    assert result["cpu_seconds"] <= result["seconds"] + 0.05


class ClosesConnections(BaseHTTPRequestHandler):
    """Answers every request, and then closes the connection."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_: object) -> None:
        """Log nothing."""


def test_a_client_connects_again_after_the_server_closed_the_connection() -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), ClosesConnections) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        port = server.server_address[1]
        [result] = run_client(
            [{"ports": [port], "clients": 3, "requests": READS, "seconds": 5, "stop_after": 30}]
        )
        server.shutdown()

    assert result["outcomes"] == {"200": 30}


def test_a_write_waits_for_an_earlier_write_to_the_same_path(null: Server) -> None:
    writes = [{"path": "/p", "method": "PUT", "body": "{}", "write": n} for n in range(1, 50)]
    plan = {"ports": [null.port], "clients": 5, "requests": [*writes, *READS], "seconds": 5, "stop_after": 60}

    [result] = run_client([plan])

    assert result["sent"] == sum(result["outcomes"].values()) == 60
