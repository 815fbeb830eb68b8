"""Listings kept for 60 seconds as ready bytes, and never older than a write that was answered.

Every write moves a *stamp* in Redis; a page is good while the stamp it was loaded under still stands.
Pages lie in this process and, for the other processes, in Redis; the stamp is read for every request,
in one round trip for all requests that wait for it.
"""

import asyncio
import contextlib
import logging
import struct
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from hashlib import blake2b
from secrets import token_bytes
from typing import Any

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError

from .compression import compress
from .config import (
    CACHE_TTL_S,
    CLAIM_MS,
    CLAIM_POLL_S,
    GZIP_MINIMUM_BYTES,
    LOADS_AT_A_TIME,
    PROCESS_CACHE_BYTES,
    REDIS_RETRY_S,
    REDIS_TIMEOUT_S,
    REDIS_URL,
)
from .http_cache import etag_of
from .next_call import NextCall
from .notices import Notices

logger = logging.getLogger(__name__)

STAMP = "catalog:stamp"
DIGEST_BYTES = 16
HEADER = struct.Struct("16sd?")  # stamp, expiry (Unix time), compressed
STAMP_FORMAT = struct.Struct(">Q8s")  # milliseconds since 1970, and what no other process draws
PAGE_OVERHEAD_BYTES = 1000


@dataclass(frozen=True, slots=True, eq=False)
class Page:
    """A listing as it goes out: gzip when it is worth it."""

    etag: str
    body: bytes
    is_compressed: bool
    stamp: bytes
    expires_at_s: float

    def is_good(self, stamp: bytes) -> bool:
        """Whether it may be served while this stamp stands, also when the clock was set back."""
        return self.stamp == stamp and 0 < self.expires_at_s - time.time() <= CACHE_TTL_S

    def packed(self) -> bytes:
        """The page as one value for Redis."""
        header = HEADER.pack(self.stamp, self.expires_at_s, self.is_compressed)
        return header + self.etag.encode() + b"\n" + self.body

    @classmethod
    def unpacked(cls, content: bytes) -> "Page":
        """The page in what `packed` made."""
        stamp, expires_at_s, is_compressed = HEADER.unpack_from(content)
        etag, _, body = content[HEADER.size :].partition(b"\n")
        return cls(etag.decode(), body, is_compressed, stamp, expires_at_s)


@dataclass(frozen=True, slots=True)
class Listing:
    """What a loader brings: the JSON of a page and the total it states."""

    body: bytes
    total: int


Loader = Callable[[int | None], Awaitable[Listing]]
"""Loads a page from Postgres, counting only when the total it is given is None."""


@dataclass(frozen=True, slots=True, eq=False)
class Wanted:
    """A listing that is asked for: where it and its total are kept, and how it is loaded."""

    page_key: str
    total_key: str
    load: Loader


def sealed(key: str, content: bytes) -> bytes:
    """What is kept in Redis under a key, with a digest of both before it."""
    digest = blake2b(key.encode() + b"\n", digest_size=DIGEST_BYTES)
    digest.update(content)
    return digest.digest() + content


def unsealed(key: str, value: bytes | None) -> bytes | None:
    """What was sealed under this key; ValueError when it is anything else."""
    if value is None:
        return None
    content = value[DIGEST_BYTES:]
    if sealed(key, content) != value:
        raise ValueError(f"not ours in Redis under {key}")
    return content


async def pack(listing: Listing, stamp: bytes) -> Page:
    """The page as it will be sent for the next 60 seconds."""
    is_compressed = len(listing.body) >= GZIP_MINIMUM_BYTES
    body = await asyncio.to_thread(compress, listing.body) if is_compressed else listing.body
    return Page(etag_of(body), body, is_compressed, stamp, time.time() + CACHE_TTL_S)


async def load_alone(load: Loader) -> Page:
    """A page for now only: nothing would tell whether it is still good later."""
    return await pack(await load(None), b"")


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


class ProcessPages:
    """The pages of this process, the least recently used going first when they take too much room."""

    def __init__(self, room_bytes: int) -> None:
        self.room_bytes = room_bytes
        self.pages: OrderedDict[str, Page] = OrderedDict()

    def get(self, key: str) -> Page | None:
        """The page under this key, good or not."""
        page = self.pages.get(key)
        if page is not None:
            self.pages.move_to_end(key)
        return page

    def put(self, key: str, page: Page) -> None:
        """Keep a page, if need be in the place of others."""
        if (old := self.pages.pop(key, None)) is not None:
            self.room_bytes += len(old.body) + PAGE_OVERHEAD_BYTES
        self.pages[key] = page
        self.room_bytes -= len(page.body) + PAGE_OVERHEAD_BYTES
        while self.room_bytes < 0 and self.pages:
            _, dropped = self.pages.popitem(last=False)
            self.room_bytes += len(dropped.body) + PAGE_OVERHEAD_BYTES


class ListingCache:
    """Pages here and in Redis, totals in Redis; whatever is wrong with Redis, the loader answers."""

    def __init__(self, url: str) -> None:
        # R08: a connection that Redis has closed is opened again, so that no write goes unheard.
        retry = Retry(NoBackoff(), retries=1)
        pool = BlockingConnectionPool.from_url(url, max_connections=50, retry=retry)
        self.redis = Redis(connection_pool=pool)
        self.down_until_s = 0.0
        self.forget_is_owed = False
        self.paying: asyncio.Task[None] | None = None
        self.notices = Notices(self.owe_forgetting)
        self.newest = b""
        self.stamps = NextCall(self.read_stamp)
        self.pages = ProcessPages(PROCESS_CACHE_BYTES)
        self.loads: dict[str, NextCall[Page]] = {}
        self.loading = asyncio.Semaphore(LOADS_AT_A_TIME)
        self.storing: set[asyncio.Task[None]] = set()

    async def page(self, wanted: Wanted) -> Page:
        """The page that is wanted, from the cache if it is good, else loaded once for all who ask."""
        # R08: a page that is asked for again within 60 seconds costs one round trip to Redis.
        page = self.pages.get(wanted.page_key)
        if page is not None:
            try:
                stamp = await self.stamps.ask()
            except (RedisError, OSError, TimeoutError):
                stamp = b""
            if page.is_good(stamp):
                return page
        # R01: five hundred clients on one cold page are one load, not five hundred.
        loads = self.loads.setdefault(wanted.page_key, NextCall(lambda: self.load_page(wanted)))
        try:
            return await loads.ask()
        finally:
            if loads.running is None:
                self.loads.pop(wanted.page_key, None)

    async def load_page(self, wanted: Wanted) -> Page:
        """Take a page from Redis, or load it and leave it there for the others."""
        try:
            stamp = await self.stamps.ask()
        except (RedisError, OSError, TimeoutError) as error:
            self.note_failure(error)
            return await load_alone(wanted.load)
        page = self.pages.get(wanted.page_key)
        if page is not None and page.is_good(stamp):
            return page
        claim = f"catalog:claim:{stamp.hex()}:{wanted.page_key}"
        page, total = await self.look_up(wanted, stamp)
        # R01: what another process is loading is waited for, not loaded twice.
        while page is None and not await self.is_ours(claim):
            await asyncio.sleep(CLAIM_POLL_S)
            page, total = await self.look_up(wanted, stamp)
        if page is None:
            page = await self.make_page(wanted, stamp, total, claim)
        self.pages.put(wanted.page_key, page)
        return page

    async def make_page(self, wanted: Wanted, stamp: bytes, total: int | None, claim: str) -> Page:
        """Load a page, and leave it in Redis with a total that was counted for it."""
        made: dict[str, bytes] = {}
        try:
            # R01: a few loads at a time, for pages that are ready wait while others are made.
            async with self.loading:
                listing = await wanted.load(total)
            page = await pack(listing, stamp)
            made[f"catalog:page:{wanted.page_key}"] = page.packed()
            # R11: the total is counted once a minute, not once a page.
            if total is None:
                made[f"catalog:total:{wanted.total_key}"] = b"%d" % listing.total
            return page
        finally:
            storing = asyncio.create_task(self.store(made, claim))
            self.storing.add(storing)
            storing.add_done_callback(self.storing.discard)

    async def look_up(self, wanted: Wanted, stamp: bytes) -> tuple[Page | None, int | None]:
        """A good page and the total as Redis has them; None for what it does not have."""
        keys = f"catalog:page:{wanted.page_key}", f"catalog:total:{wanted.total_key}"
        try:
            values = await in_time(self.redis.mget(*keys))
            packed, total = map(unsealed, keys, values)
            page = Page.unpacked(packed) if packed else None
            is_good = page is not None and page.is_good(stamp)
            return page if is_good else None, int(total) if total else None
        except (RedisError, OSError, TimeoutError) as error:
            self.note_failure(error)
        except ValueError as error:
            logger.warning("%s", error)
        return None, None

    async def is_ours(self, claim: str) -> bool:
        """Whether this process is to load, because no other one has said for a moment that it does."""
        try:
            return bool(await in_time(self.redis.set(claim, b"", nx=True, px=CLAIM_MS)))
        except (RedisError, OSError, TimeoutError) as error:
            self.note_failure(error)
            return True

    async def read_stamp(self) -> bytes:
        """The stamp that stands now; one that all processes agree on where there is none."""
        if time.monotonic() < self.down_until_s:
            raise TimeoutError("Redis did not answer a moment ago")
        if self.forget_is_owed:
            await self.move_stamp()
        stamp = await self.standing_stamp()
        if stamp < self.newest:
            # Older than one that stood before: Redis is back with what it knew some time ago.
            await self.move_stamp()
            stamp = await self.standing_stamp()
        self.newest = max(stamp, self.newest)
        return stamp

    async def standing_stamp(self) -> bytes:
        """What Redis has; where that is no stamp, the one that it gets now."""
        try:
            stamp: bytes | None = await in_time(self.redis.get(STAMP))
        except ResponseError:
            stamp = b"of another type"
        if stamp is None or len(stamp) != STAMP_FORMAT.size:
            await in_time(self.redis.set(STAMP, self.next_stamp(), nx=stamp is None))
            stamp = await in_time(self.redis.get(STAMP))
        if stamp is None:
            raise TimeoutError("Redis keeps no stamp")
        return stamp

    def next_stamp(self) -> bytes:
        """A stamp that is newer than every one that this process has seen, whatever the clock says."""
        newest_ms = STAMP_FORMAT.unpack(self.newest)[0] if self.newest else 0
        return STAMP_FORMAT.pack(max(int(time.time() * 1000), newest_ms + 1), token_bytes(8))

    async def store(self, made: dict[str, bytes], claim: str) -> None:
        """Leave in Redis what was made; where nothing was, let others try."""
        try:
            async with self.redis.pipeline(transaction=False) as pipeline:
                for key, content in made.items():
                    pipeline.set(key, sealed(key, content), ex=CACHE_TTL_S)
                if not made:
                    pipeline.delete(claim)
                await in_time(pipeline.execute())
        except (RedisError, OSError, TimeoutError) as error:
            self.note_failure(error)

    async def forget_pages(self) -> None:
        """Called after every write, before it is answered: no page from before is good any more."""
        try:
            await self.move_stamp()
        except (RedisError, OSError, TimeoutError) as error:
            self.note_failure(error)
            self.owe_forgetting()
            # R08: the other processes may reach Redis all the same, and must not go on with their pages.
            await self.notices.tell()

    def owe_forgetting(self) -> None:
        """No page is good until the stamp has been moved, which is tried until it is done."""
        self.forget_is_owed = True
        if self.paying is None or self.paying.done():
            self.paying = asyncio.create_task(self.pay())

    async def pay(self) -> None:
        """Move the stamp as soon as Redis can be reached, also when no request asks for a listing."""
        while self.forget_is_owed:
            await asyncio.sleep(REDIS_RETRY_S)
            try:
                await self.move_stamp()
            except (RedisError, OSError, TimeoutError) as error:
                self.note_failure(error)

    async def move_stamp(self) -> None:
        """Make every page out of date, in all processes."""
        stamp = self.next_stamp()
        try:
            await in_time(self.redis.set(STAMP, stamp))
        except ResponseError:
            # A Redis that is full still takes the stamp away, and without one no page is good.
            await in_time(self.redis.delete(STAMP))
        self.newest = max(stamp, self.newest)
        self.forget_is_owed = False

    def note_failure(self, error: Exception) -> None:
        """Leave Redis alone for a moment, and say so once."""
        if time.monotonic() >= self.down_until_s:
            logger.warning("answering without Redis: %s: %s", type(error).__name__, error)
            self.down_until_s = time.monotonic() + REDIS_RETRY_S

    async def open(self) -> None:
        """Listen to the other processes."""
        await self.notices.open()

    async def close(self) -> None:
        """Let pages and debts on their way to Redis arrive, then hang up."""
        await asyncio.gather(*self.storing)
        if self.paying is not None:
            self.paying.cancel()
        with contextlib.suppress(RedisError, OSError, TimeoutError):
            if self.forget_is_owed:
                await self.move_stamp()
        await self.notices.close()
        await self.redis.aclose()
        await self.redis.connection_pool.disconnect()


listings = ListingCache(REDIS_URL)
