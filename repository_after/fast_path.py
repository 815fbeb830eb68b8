"""Listings whose query was understood before, answered without routing and validating it again."""

from functools import lru_cache
from gzip import decompress
from time import perf_counter
from typing import Any

from fastapi import FastAPI
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from .cache import Wanted, listings
from .compression import accepts_gzip
from .config import KNOWN_QUERIES, LONGEST_HEADER_BYTES, LONGEST_QUERY_BYTES
from .errors import unavailable
from .http_cache import matches
from .pages import Page
from .timing import TimingMiddleware, log_request

LISTINGS = "/products"
NO_BODY = b""


class KnownQueries:
    """Which listing a query string was found to mean, as the client spelled it."""

    def __init__(self) -> None:
        self.wanted: dict[bytes, Wanted] = {}
        self.route: Any = None

    def note(self, scope: Scope, wanted: Wanted) -> None:
        """Called by the route once it has understood a query; oddly long spellings are not kept."""
        if len(scope["query_string"]) > LONGEST_QUERY_BYTES:
            return
        if len(self.wanted) >= KNOWN_QUERIES:
            self.wanted.clear()
        self.wanted[scope["query_string"]] = wanted
        self.route = scope["route"]


known_queries = KnownQueries()


@lru_cache(maxsize=256)
def known_to_take_gzip(accept_encoding: bytes) -> bool:
    """`accepts_gzip` for the few values that clients really send."""
    return accepts_gzip(accept_encoding.decode("latin-1"))


def takes_gzip(accept_encoding: bytes) -> bool:
    """`accepts_gzip`; oddly long values are not kept."""
    if len(accept_encoding) > LONGEST_HEADER_BYTES:
        return accepts_gzip(accept_encoding.decode("latin-1"))
    return known_to_take_gzip(accept_encoding)


class Catalog(FastAPI):
    """FastAPI behind two layers of this catalog: known listings, and the log line of everything else."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.others = TimingMiddleware(self.answer)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        wanted = None
        # R01: in front of FastAPI's own layers, which cost more than sending a page that is ready.
        if scope["type"] == "http" and scope["path"] == LISTINGS and scope["method"] == "GET":
            wanted = known_queries.wanted.get(scope["query_string"])
        if wanted is None:
            return await self.others(scope, receive, send)
        started, status = perf_counter(), 500
        try:
            try:
                page = await listings.page(wanted)
            except Exception as error:
                answer = unavailable(None, error)
                status = answer.status_code
                return await answer(scope, receive, send)
            status = await send_page(page, scope["headers"], send)
        finally:
            # R16: timed here, for every hit would pay for the middleware's wrapper around `send`.
            scope["route"] = known_queries.route
            log_request(scope, status, (perf_counter() - started) * 1000)

    async def answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """FastAPI's answer; HEAD is a GET whose body the server leaves out."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            return await super().__call__(scope, receive, send)
        as_get = {**scope, "method": "GET"}
        try:
            await super().__call__(as_get, receive, send)
        finally:
            # R16: the line of a request names its route.
            scope["route"] = as_get.get("route")


class PageResponse(Response):
    """A page as the answer of a route."""

    def __init__(self, page: Page) -> None:
        super().__init__()
        self.page = page

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send_page(self.page, scope["headers"], send)


async def send_page(page: Page, request_headers: list[tuple[bytes, bytes]], send: Send) -> int:
    """The representation that the client takes, or the 304 that stands for it; returns the status."""
    accept_encoding, if_none_match = b"", []
    for name, value in request_headers:
        if name == b"accept-encoding":
            accept_encoding = accept_encoding + b"," + value if accept_encoding else value
        elif name == b"if-none-match":
            if_none_match.append(value.decode("latin-1"))
    headers, body = representation(page, takes_gzip(accept_encoding))
    status = 200
    if if_none_match and matches(if_none_match, page.etag):
        status, body = 304, NO_BODY
        headers = [header for header in headers if header[0] in (b"etag", b"cache-control", b"vary")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
    return status


@lru_cache(maxsize=32)
def representation(page: Page, as_gzip: bool) -> tuple[list[tuple[bytes, bytes]], bytes]:
    """Headers and body of a 200."""
    body = page.body if as_gzip or not page.is_compressed else decompress(page.body)
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(body)),
        (b"etag", page.etag.encode()),
        (b"cache-control", b"no-cache"),
        (b"vary", b"Accept-Encoding"),
    ]
    if body is page.body and page.is_compressed:
        headers.append((b"content-encoding", b"gzip"))
    return headers, body
