"""The transport of the suite's HTTP client, which hands every exchange to the auditor."""

import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, closing, nullcontext
from random import Random

import httpx

from evaluation.serving.clients import address, drawn
from evaluation.serving.connection import DEADLINE_S, LARGEST_BYTES
from tests.audit.exchange import Exchange, refuse_huge
from tests.observing import Observer

READS = ("GET", "HEAD")
IMPATIENT_S = 3.0
"""How long a server that has let a request time out may take for the next ones, until it answers again."""


def whole(response: httpx.Response, deadline: float) -> bytes:
    """The body as sent, if it ends before the deadline and is no larger, even unpacked, than a right one."""
    received = bytearray()
    with closing(response):
        for chunk in response.iter_raw():
            received += chunk
            if len(received) > LARGEST_BYTES:
                raise httpx.ReadError(f"an answer of more than {LARGEST_BYTES:,} bytes")
            if time.perf_counter() > deadline:
                raise httpx.ReadTimeout(f"the answer did not end within {DEADLINE_S:.0f} s")
    sent = bytes(received)
    try:
        refuse_huge(sent, response.headers.get("content-encoding"))
    except ValueError as error:
        raise httpx.ReadError(str(error)) from error
    return sent


def as_sent_by(client: dict[str, str], wanted: httpx.Headers) -> httpx.Headers:
    """The headers of a request as this client sends them, in its order.

    What httpx says of itself gives way; the encodings, and what a test adds, are those of the request.
    """
    left = [(name, value) for name, value in wanted.multi_items() if name not in ("accept", "user-agent")]
    ordered = [(name, value) for name, value in left if name == "host"]
    for name, value in client.items():
        own = [(other, its) for other, its in left if other == name.lower()]
        ordered += own or ([] if name == "Accept-Encoding" else [(name, value)])
    return httpx.Headers([*ordered, *(one for one in left if one not in ordered)])


class UnderWay:
    """Counts the requests that are under way on one stage, to tell whose statements pass its relay."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.number = 0
        self.began = 0


class AuditedTransport(httpx.BaseTransport):
    """Sends requests as ever, and reports each with its whole answer and its statements.

    `writing` is entered around each write, until it has been reported.
    """

    def __init__(
        self,
        observer: Observer,
        under_way: UnderWay,
        report: Callable[[Exchange], None],
        writing: Callable[[], AbstractContextManager[None]],
    ) -> None:
        self.random = Random()
        self.here = httpx.HTTPTransport(verify=False, local_address=address(self.random))
        self.elsewhere = httpx.HTTPTransport(verify=False, local_address=address(self.random))
        self.observer = observer
        self.under_way = under_way
        self.report = report
        self.writing = writing
        self.may_hang_up: set[object] = set()
        self.is_silent = False

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """httpx: one request, one response."""
        if request.headers.get("user-agent", "").startswith("python-httpx"):
            request.headers = as_sent_by(drawn(self.random)[1], request.headers)
        with nullcontext() if request.method in READS else self.writing():
            exchange = self.exchanged(request)
            self.report(exchange)
        body = httpx.ByteStream(exchange.sent)
        return httpx.Response(exchange.status, headers=exchange.headers, content=None, stream=body)

    def exchanged(self, request: httpx.Request) -> Exchange:
        """One request with its whole answer."""
        with self.under_way.lock:
            self.under_way.number += 1
            self.under_way.began += 1
            # What an earlier request has left to do is not taken for work of this one.
            is_first = self.under_way.number == 1 and not self.observer.relay.busy()
            turn = self.under_way.began
            mark = len(self.observer.relay.log)
        if self.is_silent:
            request.extensions["timeout"] = dict.fromkeys(("connect", "read", "write", "pool"), IMPATIENT_S)
        started = time.perf_counter()
        try:
            response = self.answer(request)
            sent = whole(response, started + DEADLINE_S)
            self.is_silent = False
        except httpx.TimeoutException:
            self.is_silent = True
            raise
        finally:
            elapsed_s = time.perf_counter() - started
            with self.under_way.lock:
                self.under_way.number -= 1
                alone = is_first and self.under_way.began == turn
            statements = tuple(self.observer.sent_since(mark)) if alone else None
        return Exchange(
            method=request.method,
            target=request.url.raw_path.decode("ascii"),
            request_headers=request.headers,
            request_body=request.content,
            status=response.status_code,
            headers=response.headers,
            sent=sent,
            started_s=started,
            elapsed_s=elapsed_s,
            statements=statements,
            alone=alone,
        )

    def answer(self, request: httpx.Request) -> httpx.Response:
        """The answer to a request, which is sent again where the server has just hung up after a 5xx.

        uvicorn does so behind an answer when an exception went through the application.
        """
        # Who reads after a write is not always the one who wrote.
        way = self.random.choice((self.here, self.elsewhere))
        try:
            response = way.handle_request(request)
        except (httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError):
            if way not in self.may_hang_up:
                raise
            response = way.handle_request(request)
        (self.may_hang_up.add if response.status_code >= 500 else self.may_hang_up.discard)(way)
        return response

    def close(self) -> None:
        """httpx: close all connections."""
        self.here.close()
        self.elsewhere.close()
