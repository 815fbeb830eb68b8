"""Tell other processes of a write through Postgres, for when Redis is out of reach."""

import asyncio
import contextlib
import logging
from collections.abc import Callable

import asyncpg

from .config import DATABASE_URL
from .next_call import NextCall

logger = logging.getLogger(__name__)

CHANNEL = "catalog_pages"
FIRST_S, RETRY_S, TELLING_S = 2.0, 1.0, 0.2


class Notices:
    """Calls `heard` when a process has told that it wrote, or may have while nobody listened here."""

    def __init__(self, heard: Callable[[], None]) -> None:
        self.heard = heard
        self.connection: asyncpg.Connection | None = None
        self.listening: asyncio.Task[None] | None = None
        # The connection takes one statement at a time, and one tells of all writes before it.
        self.notifies = NextCall(self.notify)

    async def open(self) -> None:
        """Begin to listen; a Postgres that does not answer at once is asked again later."""
        is_open = asyncio.Event()
        self.listening = asyncio.create_task(self.listen(is_open))
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(is_open.wait(), FIRST_S)

    async def listen(self, is_open: asyncio.Event) -> None:
        """Listen on one connection after the other, until the task is cancelled."""
        while True:
            is_lost = asyncio.Event()
            try:
                connection = await asyncpg.connect(DATABASE_URL)
                connection.add_termination_listener(lambda _, lost=is_lost: lost.set())
                await connection.add_listener(CHANNEL, lambda *_: self.heard())
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                logger.warning("not listening to other processes: %s: %s", type(error).__name__, error)
            else:
                if is_open.is_set():
                    self.heard()
                self.connection = connection
                is_open.set()
                await is_lost.wait()
                self.connection = None
            await asyncio.sleep(RETRY_S)

    async def tell(self) -> None:
        """Let every process that listens know that pages from before are not good any more."""
        await self.notifies.ask()

    async def notify(self) -> None:
        """Send one notice, if there is a connection."""
        if self.connection is not None:
            with contextlib.suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                await self.connection.execute(f"NOTIFY {CHANNEL}", timeout=TELLING_S)

    async def close(self) -> None:
        """Listen no longer."""
        if self.listening is not None:
            self.listening.cancel()
        if self.connection is not None:
            with contextlib.suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                await self.connection.close(timeout=TELLING_S)
