"""The connection to Redis, which may be slow, silent or away at any time."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from .config import REDIS_RETRY_S, REDIS_TIMEOUT_S

logger = logging.getLogger(__name__)

FAILURES = (RedisError, OSError, TimeoutError)
"""What a call of Redis may end with."""


async def in_time(call: Awaitable[Any]) -> Any:
    """What Redis says, or TimeoutError. Waited for in slices: a busy event loop is not a slow Redis."""
    task = asyncio.ensure_future(call)
    try:
        for _ in range(4):
            if (await asyncio.wait([task], timeout=REDIS_TIMEOUT_S / 4))[0]:
                return task.result()
    finally:
        task.cancel()
    raise TimeoutError(f"no answer within {REDIS_TIMEOUT_S} s")


class RedisLink:
    """A client of Redis, and whether it is worth asking."""

    def __init__(self, url: str) -> None:
        # R08: a connection that Redis has closed is opened again, so that no write goes unheard.
        retry = Retry(NoBackoff(), retries=1)
        pool = BlockingConnectionPool.from_url(
            url, max_connections=50, retry=retry, redis_connect_func=self.connect
        )
        self.redis = Redis(connection_pool=pool)
        self.down_until_s = 0.0
        self.opened: set[AbstractConnection] = set()
        self.reconnected: Callable[[], None] | None = None

    async def connect(self, connection: AbstractConnection) -> None:
        """Log in on a connection, and tell when it had been open before: Redis may have been restarted."""
        await connection.on_connect()
        if connection in self.opened and self.reconnected is not None:
            self.reconnected()
        self.opened.add(connection)

    def is_down(self) -> bool:
        """Whether Redis failed a moment ago."""
        return time.monotonic() < self.down_until_s

    def note_failure(self, error: Exception) -> None:
        """Leave Redis alone for a moment, and say so once."""
        if not self.is_down():
            logger.warning("answering without Redis: %s: %s", type(error).__name__, error)
            self.down_until_s = time.monotonic() + REDIS_RETRY_S

    async def close(self) -> None:
        """Hang up."""
        await self.redis.aclose()
        await self.redis.connection_pool.disconnect()
