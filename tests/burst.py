"""Sends many requests at once over plain sockets, and counts every answer, refusal and timeout."""

import asyncio
import http.client
import io
from collections import Counter
from dataclasses import dataclass
from random import Random
from time import perf_counter

import httpx

from evaluation.serving.clients import address, drawn_with_gzip
from tests.audit.exchange import Exchange, refuse_huge

RANDOM = Random()
LARGEST_BYTES = 4 << 20
"""More than any right answer here; hundreds of larger ones at once would fill the memory."""


@dataclass(frozen=True, slots=True)
class Burst:
    """The count of each outcome (a status, `timeout` or `refused`), and every exchange with status 200."""

    outcomes: dict[str, int]
    exchanges: list[Exchange]

    def bodies(self) -> set[bytes]:
        """The distinct bodies of the 200s, decompressed."""
        return {one.body() for one in self.exchanges}

    @property
    def answered(self) -> int:
        """The number of requests that were answered with status 200."""
        return self.outcomes.get("200", 0)


class Wire:
    """The part of a socket that http.client needs, with an answer in it."""

    def __init__(self, answer: bytes) -> None:
        self.answer = answer

    def makefile(self, *_: object) -> io.BytesIO:
        """What http.client reads."""
        return io.BytesIO(self.answer)


async def ask(port: int, request: str) -> Exchange:
    """One request on a new connection, and its answer.

    A request is a path to GET, or a method, a path and a JSON body with spaces between them.
    Some clients, and proxies that pass on what others ask, speak HTTP/1.0.
    """
    started = perf_counter()
    method, path, body = f"{'GET ' if request.startswith('/') else ''}{request} ".split(" ", 2)
    body = body.strip()
    named = {**drawn_with_gzip(RANDOM), "Accept-Encoding": "gzip"}
    headers = "".join(f"{name}: {value}\r\n" for name, value in named.items())
    reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(address(RANDOM), 0))
    try:
        writer.write(
            f"{method} {path} HTTP/{RANDOM.choice(('1.0', '1.1'))}\r\nHost: 127.0.0.1:{port}\r\n{headers}"
            f"Content-Type: application/json\r\nContent-Length: {len(body.encode())}\r\n"
            f"Connection: close\r\n\r\n{body}".encode()
        )
        received = bytearray()
        while chunk := await reader.read(1 << 16):
            received += chunk
            if len(received) > LARGEST_BYTES:
                raise ValueError(f"an answer of more than {LARGEST_BYTES:,} bytes")
        response = http.client.HTTPResponse(Wire(bytes(received)), method=method)  # type: ignore[arg-type]
        response.begin()
        sent = response.read()
        refuse_huge(sent, response.getheader("content-encoding"))
        return Exchange(
            method,
            path,
            httpx.Headers(named),
            body.encode(),
            response.status,
            httpx.Headers(response.getheaders()),
            sent,
            started,
            perf_counter() - started,
            alone=False,
        )
    finally:
        writer.close()


async def send(port: int, paths: list[str], deadline_s: float) -> Burst:
    """Request all paths at once, each with the same deadline."""
    outcomes: Counter[str] = Counter()
    exchanges: list[Exchange] = []

    async def one(path: str) -> None:
        try:
            async with asyncio.timeout(deadline_s):
                exchange = await ask(port, path)
        except TimeoutError:
            outcomes["timeout"] += 1
        except (OSError, http.client.HTTPException, ValueError):
            outcomes["refused"] += 1
        else:
            outcomes[str(exchange.status)] += 1
            if exchange.status == 200:
                exchanges.append(exchange)

    await asyncio.gather(*(one(path) for path in paths))
    return Burst(dict(outcomes), exchanges)


def burst(port: int, paths: list[str], deadline_s: float) -> Burst:
    """Send a burst and wait for its end."""
    return asyncio.run(send(port, paths, deadline_s))
