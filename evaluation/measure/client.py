"""The load client: one process on uvloop, a JSON list of plans on stdin, one of results on stdout.

Run by `load.py` as `python -m evaluation.measure.client`. Bodies are drained, not inflated; some are
kept whole so that their content can be checked once the clock has stopped.
"""

import asyncio
import base64
import json
import math
import resource
import sys
import time
from collections import deque
from dataclasses import asdict
from typing import Any

import httptools
import uvloop

from evaluation.measure.traffic import LoadPlan, Request, Result

BUFFER_BYTES = 1 << 18
RECONNECT_DELAY_S = 0.01


class Load:
    """One run of a plan."""

    def __init__(self, plan: LoadPlan) -> None:
        self.plan = plan
        self.requests = [Request(**request) for request in plan.requests]
        known: dict[str, bytes] = {}
        self.encoded = [known.setdefault(repr(r), r.encoded()) for r in self.requests]
        self.result = Result()
        self.place = plan.first
        self.sent = 0
        self.versions: dict[str, int] = {}
        self.writing: set[str] = set()
        self.idle: list[Connection] = []
        self.due: deque[float] = deque()
        self.under_way: set[Connection] = set()
        self.started = 0.0
        self.measured_from = math.inf
        self.cpu_before = 0.0
        self.reconnecting: set[asyncio.Task[None]] = set()
        self.finished = asyncio.Event()
        self.stopping = False

    def next_index(self) -> int | None:
        """The next request's place in the plan, or None when enough were sent.

        A write is passed over while another to the same path is under way: nobody could tell which won.
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
        """Connect, send, and collect until the time is over or everything is answered."""
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
        if self.under_way:
            await self.finished.wait()
        self.result.seconds = time.perf_counter() - self.measured_from
        self.result.cpu_seconds = cpu_seconds() - self.cpu_before
        self.result.sent = self.sent
        for connection in connections:
            connection.close()
        return self.result

    def begin_measuring(self) -> None:
        """The warm-up is over: what is answered from now on counts."""
        self.measured_from = time.perf_counter()
        self.cpu_before = cpu_seconds()

    async def pace(self, rate: float) -> None:
        """Open loop: hand every request that is due to an idle connection."""
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
        """Send nothing more; give what is under way its patience."""
        self.stopping = True
        asyncio.get_running_loop().call_later(self.plan.patience_s, self.give_up)
        self.check_finished()

    def give_up(self) -> None:
        """Whoever still waits has waited too long."""
        for connection in list(self.under_way):
            connection.done("timeout")

    def check_finished(self) -> None:
        """Tell `run` when nothing is under way any more."""
        if not self.under_way and self.is_over():
            self.finished.set()


class Connection(asyncio.BufferedProtocol):
    """One keep-alive connection with at most one request under way."""

    def __init__(self, load: Load, port: int) -> None:
        self.load = load
        self.port = port
        self.buffer = bytearray(BUFFER_BYTES)
        self.view = memoryview(self.buffer)
        self.transport: asyncio.Transport | None = None
        self.parser: Any = None
        self.index = -1
        self.began = 0.0
        self.floor: dict[str, int] | None = None
        self.chunks: list[bytes] | None = None

    async def connect(self) -> None:
        """Open the connection; a refusal is counted."""
        loop = asyncio.get_running_loop()
        try:
            transport, _ = await loop.create_connection(lambda: self, "127.0.0.1", self.port)
            self.transport = transport
        except OSError:
            self.load.result.count("refused")

    def send_next(self, due: float | None = None) -> None:
        """Send the plan's next request, if there is one."""
        if self.transport is None or self.transport.is_closing():
            return
        index = self.load.next_index()
        if index is None:
            return
        self.index = index
        self.chunks = [] if self.load.sent % self.load.plan.keep_every == 1 else None
        self.parser = httptools.HttpResponseParser(self)
        self.load.under_way.add(self)
        self.floor = None if self.chunks is None else dict(self.load.versions)
        self.began = due if due is not None else time.perf_counter()
        self.transport.write(self.load.encoded[index])

    def get_buffer(self, sizehint: int) -> memoryview:
        """asyncio: where the next bytes go."""
        return self.view

    def buffer_updated(self, nbytes: int) -> None:
        """asyncio: so many bytes have come."""
        if self.parser is None:
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
        """httptools: the answer is whole."""
        if not self.parser.should_keep_alive():
            self.close()
        self.done(str(self.parser.get_status_code()))

    def connection_lost(self, error: Exception | None) -> None:
        """asyncio: the other side hung up, perhaps in the middle; a client comes back."""
        self.transport = None
        if self in self.load.under_way:
            self.done("reset")
        if not self.load.is_over():
            task = asyncio.create_task(self.come_back())
            self.load.reconnecting.add(task)
            task.add_done_callback(self.load.reconnecting.discard)

    async def come_back(self) -> None:
        """Connect again and go on."""
        await asyncio.sleep(RECONNECT_DELAY_S)
        await self.connect()
        if self.load.plan.rate is None:
            self.send_next()
        elif self.transport is not None:
            self.load.idle.append(self)

    def done(self, outcome: str) -> None:
        """Count what came back and send the next."""
        load, now = self.load, time.perf_counter()
        load.under_way.discard(self)
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
            load.result.kept.append({"path": request.path, "body": body, "floor": self.floor})
        if outcome == "timeout":
            self.close()
        if load.plan.rate is None:
            self.send_next()
        elif self.transport is not None and not self.transport.is_closing():
            load.idle.append(self)
        load.check_finished()

    def close(self) -> None:
        """Hang up."""
        if self.transport is not None:
            self.transport.close()


def cpu_seconds() -> float:
    """CPU time of this process so far."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Read the plans, run one after another, write the results."""
    plans = [LoadPlan(**plan) for plan in json.load(sys.stdin)]
    results = [uvloop.run(Load(plan).run()) for plan in plans]
    json.dump([asdict(result) for result in results], sys.stdout)


if __name__ == "__main__":
    main()
