"""Sends many requests at once over plain sockets, and counts every answer, refusal and timeout."""

import asyncio
import http.client
import io
from collections import Counter
from dataclasses import dataclass
from random import Random
from time import perf_counter

from evaluation.serving.clients import drawn_with_gzip
from evaluation.serving.connection import unpacked

RANDOM = Random()
LARGEST_BYTES = 4 << 20
"""More than any right answer here; hundreds of larger ones at once would fill the memory."""


@dataclass(frozen=True, slots=True)
class Burst:
    """The count of each outcome (a status, `timeout` or `refused`); latencies and answers of the 200s."""

    outcomes: dict[str, int]
    latencies_ms: list[float]
    answers: list[bytes]

    def bodies(self) -> set[bytes]:
        """The distinct bodies of the 200s, decompressed."""
        return {body_of(answer) for answer in set(self.answers)}

    @property
    def answered(self) -> int:
        """The number of requests that were answered with status 200."""
        return self.outcomes.get("200", 0)

    def p95_ms(self) -> float | None:
        """The 95th percentile of the latencies; None unless every request was answered with status 200."""
        if self.answered != sum(self.outcomes.values()) or not self.latencies_ms:
            return None
        return sorted(self.latencies_ms)[int(0.95 * (len(self.latencies_ms) - 1))]


def body_of(answer: bytes) -> bytes:
    """The decompressed body of an answer, which is given as bytes from the wire."""

    class Wire:
        """The part of a socket that http.client needs."""

        def makefile(self, *_: object) -> io.BytesIO:
            return io.BytesIO(answer)

    response = http.client.HTTPResponse(Wire())  # type: ignore[arg-type]
    response.begin()
    body = response.read()
    return unpacked(body) if response.getheader("content-encoding") == "gzip" else body


async def ask(port: int, request: str) -> tuple[int, bytes]:
    """Status and whole answer of one request on a new connection.

    A request is a path to GET, or a method, a path and a JSON body with spaces between them.
    """
    method, path, body = f"{'GET ' if request.startswith('/') else ''}{request} ".split(" ", 2)
    body = body.strip()
    named = {**drawn_with_gzip(RANDOM), "Accept-Encoding": "gzip"}
    headers = "".join(f"{name}: {value}\r\n" for name, value in named.items())
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(
            f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n{headers}"
            f"Content-Type: application/json\r\nContent-Length: {len(body.encode())}\r\n"
            f"Connection: close\r\n\r\n{body}".encode()
        )
        received = bytearray()
        while chunk := await reader.read(1 << 16):
            received += chunk
            if len(received) > LARGEST_BYTES:
                raise ValueError(f"an answer of more than {LARGEST_BYTES:,} bytes")
        answer = bytes(received)
        return int(answer.split(b" ", 2)[1]), answer
    finally:
        writer.close()


async def send(port: int, paths: list[str], deadline_s: float) -> Burst:
    """Request all paths at once, each with the same deadline."""
    outcomes: Counter[str] = Counter()
    latencies: list[float] = []
    answers: list[bytes] = []

    async def one(path: str) -> None:
        started = perf_counter()
        try:
            async with asyncio.timeout(deadline_s):
                status, answer = await ask(port, path)
        except TimeoutError:
            outcomes["timeout"] += 1
        except (OSError, IndexError, ValueError):
            outcomes["refused"] += 1
        else:
            outcomes[str(status)] += 1
            if status == 200:
                latencies.append((perf_counter() - started) * 1000)
                answers.append(answer)

    await asyncio.gather(*(one(path) for path in paths))
    return Burst(dict(outcomes), latencies, answers)


def burst(port: int, paths: list[str], deadline_s: float) -> Burst:
    """Send a burst and wait for its end."""
    return asyncio.run(send(port, paths, deadline_s))
