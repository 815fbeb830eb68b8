"""The load client: one process on uvloop that reads a JSON list of plans and writes a list of results.

`rounds.py` runs it as `python -m evaluation.measure.client`. Bodies are read but not decompressed; some are
kept, so that their content can be checked after the measurement. A plan with a statement goes to Postgres.
"""

import asyncio
import base64
import json
import math
import sys
import time
from collections import deque
from dataclasses import asdict
from random import Random
from typing import Any

import httptools
import uvloop

from evaluation.measure.statements import run_statements
from evaluation.measure.traffic import LoadPlan, Request, Result, StatementLoad, cpu_seconds
from evaluation.serving.clients import address, drawn_with_gzip

BUFFER_BYTES = 1 << 18
RECONNECT_DELAY_S = 0.01
LARGEST_BYTES = 16 << 20
"""More than any right answer here; a larger one is broken off, for each of 500 connections may send it."""
KEPT_BYTES = 256 << 20
"""No more bodies are kept when they are as large as this together."""


class Load:
    """One run of a plan."""

    def __init__(self, plan: LoadPlan) -> None:
        self.plan = plan
        self.requests = [Request(**request) for request in plan.requests]
        known: dict[str, tuple[bytes, bytes]] = {}
        self.encoded = [known.setdefault(repr(r), r.encoded()) for r in self.requests]
        self.result = Result()
        self.place = plan.first
        self.sent = 0
        self.versions: dict[str, int] = {}
        self.writing: set[str] = set()
        self.idle: list[Connection] = []
        self.due: deque[float] = deque()
        self.in_flight: set[Connection] = set()
        self.started = 0.0
        self.measured_from = math.inf
        self.cpu_before = 0.0
        self.reconnecting: set[asyncio.Task[None]] = set()
        self.finished = asyncio.Event()
        self.stopping = False
        self.kept_bytes = 0

    def next_index(self) -> int | None:
        """The index of the next request in the plan; None when nothing more is to be sent.

        A write is skipped while another write to the same path is in flight, because their order would be
        unknown.
        """
        while not self.is_over():
            index = self.place % len(self.requests)
            self.place += 1
            request = self.requests[index]
            if request.write is not None:
                if request.path in self.writing:
                    continue
                self.writing.add(request.path)
            self.sent += 1
            return index
        return None

    def is_over(self) -> bool:
        """Whether nothing more is to be sent."""
        return self.stopping or self.sent == self.plan.stop_after

    async def run(self) -> Result:
        """Connect, send, and collect answers until the time is over and nothing is in flight."""
        loop = asyncio.get_running_loop()
        ports = self.plan.ports
        connections = [Connection(self, ports[n % len(ports)]) for n in range(self.plan.clients)]
        self.started = time.perf_counter()
        loop.call_later(self.plan.warm_up_s, self.begin_measuring)
        loop.call_later(self.plan.warm_up_s + self.plan.seconds, self.stop)
        await asyncio.gather(*(connection.connect() for connection in connections))
        if self.plan.rate is not None:
            self.idle = list(connections)
            await self.pace(self.plan.rate)
        else:
            for connection in connections:
                connection.send_next()
        if self.in_flight:
            await self.finished.wait()
        self.result.seconds = time.perf_counter() - self.measured_from
        self.result.cpu_seconds = cpu_seconds() - self.cpu_before
        self.result.sent = self.sent
        for connection in connections:
            connection.close()
        return self.result

    def begin_measuring(self) -> None:
        """End the warm-up: answers count from now on."""
        self.measured_from = time.perf_counter()
        self.cpu_before = cpu_seconds()

    async def pace(self, rate: float) -> None:
        """Open loop: send every request that is due on an idle connection."""
        number = 0
        while not self.is_over():
            now = time.perf_counter()
            while self.started + number / rate <= now:
                self.due.append(self.started + number / rate)
                number += 1
            while self.due and self.idle:
                self.idle.pop().send_next(self.due.popleft())
            await asyncio.sleep(0.001)
        self.result.count("never sent", len(self.due))

    def stop(self) -> None:
        """Send nothing more; requests in flight have `patience_s` left to be answered."""
        self.stopping = True
        asyncio.get_running_loop().call_later(self.plan.patience_s, self.give_up)
        self.check_finished()

    def give_up(self) -> None:
        """Count every request that is still in flight as a timeout."""
        for connection in list(self.in_flight):
            connection.done("timeout")

    def check_finished(self) -> None:
        """Let `run` continue when nothing is in flight and nothing more is to be sent."""
        if not self.in_flight and self.is_over():
            self.finished.set()


class Connection(asyncio.BufferedProtocol):
    """One keep-alive connection with at most one request in flight."""

    def __init__(self, load: Load, port: int) -> None:
        self.load = load
        self.port = port
        self.headers = headers_of_a_client(port)
        self.buffer = bytearray(BUFFER_BYTES)
        self.view = memoryview(self.buffer)
        self.transport: asyncio.Transport | None = None
        self.parser: Any = None
        self.index = -1
        self.began = 0.0
        self.received = 0
        self.floor: dict[str, int] | None = None
        self.chunks: list[bytes] | None = None

    async def connect(self) -> None:
        """Open the connection; count a refusal."""
        loop = asyncio.get_running_loop()
        try:
            transport, _ = await loop.create_connection(
                lambda: self, "127.0.0.1", self.port, local_addr=(address(Random()), 0)
            )
            self.transport = transport
        except OSError:
            self.load.result.count("refused")

    def send_next(self, due: float | None = None) -> None:
        """Send the next request of the plan, if there is one."""
        if self.transport is None or self.transport.is_closing():
            return
        index = self.load.next_index()
        if index is None:
            return
        self.index = index
        is_kept = self.load.sent % self.load.plan.keep_every == 1 and self.load.kept_bytes < KEPT_BYTES
        self.chunks = [] if is_kept else None
        self.received = 0
        self.parser = httptools.HttpResponseParser(self)
        self.load.in_flight.add(self)
        self.floor = None if self.chunks is None else dict(self.load.versions)
        self.began = due if due is not None else time.perf_counter()
        before, after = self.load.encoded[index]
        self.transport.write(before + self.headers + after)

    def get_buffer(self, sizehint: int) -> memoryview:
        """asyncio: the buffer for the next bytes."""
        return self.view

    def buffer_updated(self, nbytes: int) -> None:
        """asyncio: this many bytes were received."""
        if self.parser is None:
            return
        self.received += nbytes
        if self.received > LARGEST_BYTES:
            self.done("too large")
            return
        try:
            self.parser.feed_data(self.view[:nbytes])
        except httptools.HttpParserError:
            self.done("not HTTP")

    def on_body(self, body: bytes) -> None:
        """httptools: a piece of the body."""
        if self.chunks is not None:
            self.chunks.append(body)

    def on_message_complete(self) -> None:
        """httptools: the answer is complete."""
        if not self.parser.should_keep_alive():
            self.close()
        self.done(str(self.parser.get_status_code()))

    def connection_lost(self, error: Exception | None) -> None:
        """asyncio: the server closed the connection, perhaps during a request; connect again."""
        self.transport = None
        if self in self.load.in_flight:
            self.done("reset")
        if not self.load.is_over():
            task = asyncio.create_task(self.reconnect())
            self.load.reconnecting.add(task)
            task.add_done_callback(self.load.reconnecting.discard)

    async def reconnect(self) -> None:
        """Connect again, after a short delay, and continue."""
        await asyncio.sleep(RECONNECT_DELAY_S)
        await self.connect()
        if self.load.plan.rate is None:
            self.send_next()
        elif self.transport is not None:
            self.load.idle.append(self)

    def done(self, outcome: str) -> None:
        """Record the outcome of a request and send the next one."""
        load, now = self.load, time.perf_counter()
        load.in_flight.discard(self)
        request = load.requests[self.index]
        self.parser = None
        if now < load.measured_from:
            load.result.warm_up_requests += 1
        else:
            load.result.count(outcome)
            if outcome in ("200", "304"):
                load.result.latencies_ms.append(1000 * (now - self.began))
        if request.write is not None:
            load.writing.discard(request.path)
            if outcome == "200":
                load.versions[request.path] = request.write
        if self.chunks is not None and outcome == "200":
            body = base64.b64encode(b"".join(self.chunks)).decode()
            load.kept_bytes += len(body)
            load.result.kept.append({"path": request.path, "body": body, "floor": self.floor})
        if outcome in ("timeout", "too large", "not HTTP"):
            self.close()
        if load.plan.rate is None:
            self.send_next()
        elif self.transport is not None and not self.transport.is_closing():
            load.idle.append(self)
        load.check_finished()

    def close(self) -> None:
        """Close the connection."""
        if self.transport is not None:
            self.transport.close()


def headers_of_a_client(port: int) -> bytes:
    """The headers of an ordinary client that unpacks gzip: a candidate does not know the load by them."""
    found = {"Host": f"127.0.0.1:{port}", **drawn_with_gzip(Random())}
    return "".join(f"{name}: {value}\r\n" for name, value in found.items()).encode()


async def run(plan: dict[str, Any]) -> Result:
    """Run one plan of either kind."""
    if "statement" in plan:
        return await run_statements(StatementLoad(**plan))
    return await Load(LoadPlan(**plan)).run()


def main() -> None:
    """Read the plans, run them one after another, write the results."""
    results = [uvloop.run(run(plan)) for plan in json.load(sys.stdin)]
    # In one piece: what `json.dump` wrote in many was seen to reach a pipe with parts missing.
    sys.stdout.buffer.write(json.dumps([asdict(result) for result in results]).encode())


if __name__ == "__main__":
    main()
