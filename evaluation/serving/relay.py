"""A relay between a candidate and one of its services, in the harness's process: it counts what passes."""

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from random import randrange
from types import TracebackType
from urllib.parse import urlsplit

from evaluation.errors import InfrastructureError
from evaluation.machine.addresses import place_of
from evaluation.serving.wire import Wire

CHUNK_BYTES = 1 << 16
START_DEADLINE_S = 30.0
SETTLE_DEADLINE_S = 3.0
HELD_POLL_S = 0.005


class Relay:
    """Listens on a free port of 127.0.0.1, or at another address of this machine.

    `log` holds the statements or commands that have passed, in order.

    `plans` holds what Postgres told of them, where it was asked to (`plans.py`); all else is passed on.
    `failures` holds those that failed, of which Postgres tells nothing.
    """

    def __init__(self, url: str, wire: type[Wire], address: tuple[str, int] = ("127.0.0.1", 0)) -> None:
        self.address = address
        self.target = urlsplit(url)._replace(query="")
        self.place = place_of(url)
        self.wire = wire
        self.log: list[str] = []
        self.plans: list[str] = []
        self.failures: list[str] = []
        self.open: set[Wire] = set()
        self.wanted: str | None = None
        self.held: Wire | None = None
        self.url = ""
        self.ready = threading.Event()
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.run, name="relay", daemon=True)

    def settle(self) -> None:
        """Wait until no answer is due and no transaction is open."""
        deadline = time.monotonic() + SETTLE_DEADLINE_S
        while self.busy() and time.monotonic() < deadline:
            time.sleep(0.001)

    def busy(self) -> int:
        """The number of connections on which an answer is due or a transaction is open."""
        return sum(one.is_busy() for one in list(self.open))

    @contextmanager
    def holding_an_answer(self, text: str) -> Iterator[Callable[[], bool]]:
        """Hold back the answer to the next statement with this text in it, and all later ones to its session.

        Postgres has done by then what it was asked for. Yields a function that tells whether that has come.
        """
        self.wanted = text
        try:
            yield lambda: self.held is not None
        finally:
            self.wanted = self.held = None

    async def let_pass(self, wire: Wire, ended: list[str]) -> None:
        """Wait while this connection is held; these statements on it have ended."""
        if self.wanted is not None and any(self.wanted in one for one in ended):
            self.wanted, self.held = None, wire
        while self.held is wire:
            await asyncio.sleep(HELD_POLL_S)

    def run(self) -> None:
        """Serve until the loop is stopped; then every connection is closed."""
        asyncio.set_event_loop(self.loop)
        listener = self.loop.run_until_complete(asyncio.start_server(self.connect, *self.address))
        address = f"{self.address[0]}:{listener.sockets[0].getsockname()[1]}"
        login = self.target.netloc.rpartition("@")[0]
        self.url = self.target._replace(netloc=f"{login}@{address}").geturl()
        self.ready.set()
        self.loop.run_forever()
        listener.close()
        tasks = asyncio.all_tasks(self.loop)
        for task in tasks:
            task.cancel()
        self.loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        self.loop.run_until_complete(asyncio.sleep(0))  # What was closed, goes.
        self.loop.close()

    async def connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection of the candidate until one of its two ends is closed."""
        wire = self.wire(self.log, self.plans, self.failures)
        writers = [writer]
        try:
            server_reader, server_writer = await connected(*self.place)
            writers.append(server_writer)
            self.open.add(wire)
            up = asyncio.create_task(self.pass_up(wire, reader, writer, server_writer))
            down = asyncio.create_task(self.pass_down(wire, server_reader, writer))
            await asyncio.wait((up, down), return_when=asyncio.FIRST_COMPLETED)
            for task in (up, down):
                task.cancel()
            await asyncio.gather(up, down, return_exceptions=True)
        except (OSError, asyncio.CancelledError):
            pass  # The service accepts no connection, or we end: neither do we.
        finally:
            self.open.discard(wire)
            for one in writers:
                one.close()

    async def pass_up(
        self,
        wire: Wire,
        reader: asyncio.StreamReader,
        answers: asyncio.StreamWriter,
        server: asyncio.StreamWriter,
    ) -> None:
        """Everything from the client to the server."""
        with suppress(ConnectionError):
            while chunk := await reader.read(CHUNK_BYTES):
                passed_on, answer = wire.from_client(chunk)
                server.write(passed_on)
                answers.write(answer)
                await server.drain()

    async def pass_down(self, wire: Wire, reader: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        """Everything from the server to the client, which can never know of an answer before we do."""
        with suppress(ConnectionError):
            while chunk := await reader.read(CHUNK_BYTES):
                mark = len(self.log)
                passed_on = wire.from_server(chunk)
                await self.let_pass(wire, self.log[mark:])
                client.write(passed_on)
                await client.drain()

    def __enter__(self) -> "Relay":
        self.thread.start()
        if not self.ready.wait(START_DEADLINE_S):
            raise InfrastructureError("the relay before a service does not start")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()


def usual_address(port: int) -> tuple[str, int]:
    """An address of this machine alone with the port that a service has in production, if one has it free."""
    host = f"127.{randrange(1, 255)}.{randrange(1, 255)}.{randrange(1, 255)}"
    try:
        with socket.create_server((host, port)):
            return host, port
    except OSError:
        return "127.0.0.1", 0


async def connected(host: str, port: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection to a service; a host that begins with / is the folder of a Postgres socket."""
    if host.startswith("/"):
        return await asyncio.open_unix_connection(f"{host}/.s.PGSQL.{port}")
    return await asyncio.open_connection(host, port)
