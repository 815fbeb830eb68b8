"""Listings kept for 60 seconds as ready bytes, and never older than a write that was answered.

Every write moves a *stamp* in Redis; a page is good while the stamp it was loaded under still stands.
One MGET answers both questions, and everyone who waits for it shares it.
"""

import asyncio
import logging
import struct
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from hashlib import blake2b
from secrets import token_bytes
from typing import Generic, TypeVar

from redis.asyncio import BlockingConnectionPool, Redis
from redis.exceptions import RedisError

from .compression import compress
from .config import (
    CACHE_TTL_S,
    GZIP_MINIMUM_BYTES,
    REDIS_RETRY_S,
    REDIS_TIMEOUT_S,
    REDIS_URL,
)
from .http_cache import etag_of

logger = logging.getLogger(__name__)

STAMP = "catalog:stamp"
HEADER = struct.Struct("16s16sd?")  # stamp, digest of the rest, expiry (Unix time), compressed


@dataclass(frozen=True, slots=True)
class Page:
    """A listing as it goes out: gzip when it is worth it."""

    etag: str
    body: bytes
    is_compressed: bool
    stamp: bytes
    expires_at_s: float

    def packed(self) -> bytes:
        """The value kept in Redis."""
        rest = self.etag.encode() + b"\n" + self.body
        return HEADER.pack(self.stamp, digest(rest), self.expires_at_s, self.is_compressed) + rest

    @classmethod
    def unpacked(cls, value: bytes) -> "Page":
        """The page in a value from Redis; ValueError when it is none."""
        if len(value) < HEADER.size:
            raise ValueError("too short")
        stamp, checksum, expires_at_s, is_compressed = HEADER.unpack_from(value)
        rest = value[HEADER.size :]
        if digest(rest) != checksum:
            raise ValueError("wrong checksum")
        etag, _, body = rest.partition(b"\n")
        return cls(etag.decode(), body, is_compressed, stamp, expires_at_s)


@dataclass(frozen=True, slots=True)
class Listing:
    """What a loader brings: the JSON of a page and the total it states."""

    body: bytes
    total: int


Loader = Callable[[int | None], Awaitable[Listing]]
"""Loads a page from Postgres, counting only when the total it is given is None."""


def digest(value: bytes) -> bytes:
    """Tells our own bytes from anything else under our keys."""
    return blake2b(value, digest_size=16).digest()


async def pack(listing: Listing, stamp: bytes) -> Page:
    """The page as it will be sent for the next 60 seconds."""
    is_compressed = len(listing.body) >= GZIP_MINIMUM_BYTES
    body = await asyncio.to_thread(compress, listing.body) if is_compressed else listing.body
    return Page(etag_of(listing.body), body, is_compressed, stamp, time.time() + CACHE_TTL_S)


T = TypeVar("T")


async def load_alone(load: Loader) -> Page:
    """A page for now only: nothing would tell whether it is still good later."""
    return await pack(await load(None), b"")


class NextCall(Generic[T]):
    """One call a key at a time, shared by everyone who asked before it began.

    Nobody gets the result of a call that began before he asked, so sharing never makes it stale.
    """

    def __init__(self) -> None:
        self.next: dict[str, asyncio.Task[T]] = {}
        self.running: dict[str, asyncio.Task[T]] = {}

    async def share(self, key: str, call: Callable[[], Awaitable[T]]) -> T:
        """The result of the next call under this key."""
        task = self.next.get(key)
        if task is None:
            task = self.next[key] = asyncio.create_task(self.run(key, call))
        return await asyncio.shield(task)

    async def run(self, key: str, call: Callable[[], Awaitable[T]]) -> T:
        """Wait for the call before, then make this one."""
        while (before := self.running.get(key)) is not None:
            await asyncio.wait([before])
        task = self.running[key] = self.next.pop(key)
        try:
            return await call()
        finally:
            if self.running.get(key) is task:
                del self.running[key]


class ListingCache:
    """Pages and totals in Redis; whatever is wrong with Redis, the loader answers."""

    def __init__(self, url: str) -> None:
        pool = BlockingConnectionPool.from_url(
            url,
            max_connections=50,
            timeout=REDIS_TIMEOUT_S,
            socket_timeout=REDIS_TIMEOUT_S,
            socket_connect_timeout=REDIS_TIMEOUT_S,
        )
        self.redis = Redis(connection_pool=pool)
        self.down_until_s = 0.0
        self.forget_is_owed = False
        self.look_ups: NextCall[tuple[bytes, Page | None, int | None]] = NextCall()
        self.loads_without_redis: NextCall[Page] = NextCall()
        self.loading: dict[tuple[str, bytes], asyncio.Task[Page]] = {}
        self.storing: set[asyncio.Task[None]] = set()

    async def page(self, page_key: str, total_key: str, load: Loader) -> Page:
        """The page under this key, from the cache if it is good, else loaded once for all who ask."""
        # R08: a page that is asked for again within 60 seconds costs one round trip to Redis.
        try:
            stamp, page, total = await self.look_ups.share(
                page_key, lambda: self.look_up(page_key, total_key)
            )
        except (RedisError, OSError, TimeoutError) as error:
            self.note_failure(error)
            return await self.loads_without_redis.share(page_key, lambda: load_alone(load))
        if page is not None and page.stamp == stamp and page.expires_at_s > time.time():
            return page
        # R01: five hundred clients on one cold page are one load, not five hundred.
        flight = self.loading.get((page_key, stamp))
        if flight is None:
            flight = asyncio.create_task(self.load_page(page_key, total_key, stamp, total, load))
            self.loading[page_key, stamp] = flight
            flight.add_done_callback(lambda _: self.loading.pop((page_key, stamp)))
        return await asyncio.shield(flight)

    async def load_page(
        self, page_key: str, total_key: str, stamp: bytes, total: int | None, load: Loader
    ) -> Page:
        """Load a page and leave it in Redis for the others."""
        listing = await load(total)
        page = await pack(listing, stamp)
        # R11: the total is counted once a minute, not once a page.
        new_total = listing.total if total is None else None
        storing = asyncio.create_task(self.store(page_key, page, total_key, new_total))
        self.storing.add(storing)
        storing.add_done_callback(self.storing.discard)
        return page

    async def look_up(self, page_key: str, total_key: str) -> tuple[bytes, Page | None, int | None]:
        """The stamp that stands now, and page and total if Redis has them."""
        if time.monotonic() < self.down_until_s:
            raise TimeoutError("Redis did not answer a moment ago")
        if self.forget_is_owed:
            await self.move_stamp()
        async with asyncio.timeout(REDIS_TIMEOUT_S):
            values: list[bytes | None] = await self.redis.mget(  # type: ignore[assignment]
                STAMP, f"catalog:page:{page_key}", f"catalog:total:{total_key}"
            )
            stamp, packed, total = values
            if stamp is None or len(stamp) != 16:
                stamp = await self.first_stamp(stamp)
        try:
            page = None if packed is None else Page.unpacked(packed)
            return stamp, page, None if total is None else int(total)
        except ValueError as error:
            logger.warning("not ours in Redis under %s: %s", page_key, error)
            return stamp, None, None

    async def first_stamp(self, garbage: bytes | None) -> bytes:
        """Agree with the other processes on a stamp where there is none."""
        await self.redis.set(STAMP, token_bytes(16), nx=garbage is None)
        stamp: bytes | None = await self.redis.get(STAMP)  # type: ignore[assignment]
        if stamp is None:
            raise TimeoutError("Redis keeps no stamp")
        return stamp

    async def store(self, page_key: str, page: Page, total_key: str, total: int | None) -> None:
        """Leave a page, and a total that was just counted, in Redis."""
        try:
            async with asyncio.timeout(REDIS_TIMEOUT_S), self.redis.pipeline(False) as pipeline:
                pipeline.set(f"catalog:page:{page_key}", page.packed(), ex=CACHE_TTL_S)
                if total is not None:
                    pipeline.set(f"catalog:total:{total_key}", total, ex=CACHE_TTL_S)
                await pipeline.execute()
        except (RedisError, OSError, TimeoutError) as error:
            self.note_failure(error)

    async def forget_pages(self) -> None:
        """Called after every write, before it is answered: no page from before is good any more."""
        try:
            await self.move_stamp()
        except (RedisError, OSError, TimeoutError) as error:
            self.forget_is_owed = True
            self.note_failure(error)

    async def move_stamp(self) -> None:
        """Make every page in Redis out of date."""
        async with asyncio.timeout(REDIS_TIMEOUT_S):
            await self.redis.set(STAMP, token_bytes(16))
        self.forget_is_owed = False

    def note_failure(self, error: Exception) -> None:
        """Leave Redis alone for a moment, and say so once."""
        if time.monotonic() >= self.down_until_s:
            logger.warning("answering without Redis: %s: %s", type(error).__name__, error)
            self.down_until_s = time.monotonic() + REDIS_RETRY_S

    async def close(self) -> None:
        """Let pages on their way to Redis arrive, then hang up."""
        await asyncio.gather(*self.storing)
        await self.redis.aclose()
        await self.redis.connection_pool.disconnect()


listings = ListingCache(REDIS_URL)
