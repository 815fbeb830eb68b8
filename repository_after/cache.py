"""Listings kept for 60 seconds as ready bytes, and never older than a write that was answered.

Pages lie in this process and, for the other processes, in Redis. Whatever is missing is loaded once for all
who ask, in one process for all others.
"""

import asyncio
import logging
import struct
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from .config import CACHE_TTL_S, CLAIM_MS, CLAIM_POLL_S, LOADS_AT_A_TIME, PROCESS_CACHE_BYTES, REDIS_URL
from .next_call import NextCall
from .pages import TOTAL, Page, ProcessPages, kept_total, pack, sealed, unsealed
from .redis_link import FAILURES, RedisLink, in_time
from .stamp import Stamp

logger = logging.getLogger(__name__)


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


async def load_alone(load: Loader) -> Page:
    """Load a page without keeping it: without Redis nothing shows when it is out of date."""
    return await pack((await load(None)).body, b"", read_at_s=0)


class ListingCache:
    """Pages here and in Redis, totals in Redis; whatever is wrong with Redis, the loader answers."""

    def __init__(self, url: str) -> None:
        self.link = RedisLink(url)
        self.stamp = Stamp(self.link)
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
                stamp = await self.stamp.reads.ask()
            except FAILURES:
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
            stamp = await self.stamp.reads.ask()
        except FAILURES as error:
            self.link.note_failure(error)
            return await load_alone(wanted.load)
        page = self.pages.get(wanted.page_key)
        if page is not None and page.is_good(stamp):
            return page
        claim = f"catalog:claim:{stamp.hex()}:{wanted.page_key}"
        page, total = await self.look_up(wanted, stamp)
        # R01: what another process is loading is waited for, not loaded twice, while a claim can last.
        until_s = time.monotonic() + CLAIM_MS / 1000
        while page is None and not await self.is_ours(claim) and time.monotonic() < until_s:
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
                read_at_s = time.time()
                listing = await wanted.load(total)
            page = await pack(listing.body, stamp, read_at_s)
            made[f"catalog:page:{wanted.page_key}"] = page.packed()
            # R11: the total is counted once a minute, not once a page.
            if total is None:
                made[f"catalog:total:{wanted.total_key}"] = TOTAL.pack(listing.total, page.expires_at_s)
            return page
        finally:
            storing = asyncio.create_task(self.store(made, claim))
            self.storing.add(storing)
            storing.add_done_callback(self.storing.discard)

    async def look_up(self, wanted: Wanted, stamp: bytes) -> tuple[Page | None, int | None]:
        """A good page and the total as Redis has them; None for what it does not have."""
        keys = f"catalog:page:{wanted.page_key}", f"catalog:total:{wanted.total_key}"
        try:
            values = await in_time(self.link.redis.mget(*keys))
            packed, total = map(unsealed, keys, values)
            page = Page.unpacked(packed) if packed else None
            is_good = page is not None and page.is_good(stamp)
            return page if is_good else None, kept_total(total)
        except FAILURES as error:
            self.link.note_failure(error)
        except (ValueError, struct.error) as error:
            logger.warning("%s", error)
        return None, None

    async def is_ours(self, claim: str) -> bool:
        """Whether this process is to load, because no other one has said for a moment that it does."""
        try:
            return bool(await in_time(self.link.redis.set(claim, b"", nx=True, px=CLAIM_MS)))
        except FAILURES as error:
            self.link.note_failure(error)
            return True

    async def store(self, made: dict[str, bytes], claim: str) -> None:
        """Leave in Redis what was made; where nothing was, let others try."""
        try:
            async with self.link.redis.pipeline(transaction=False) as pipeline:
                for key, content in made.items():
                    pipeline.set(key, sealed(key, content), ex=CACHE_TTL_S)
                if not made:
                    pipeline.delete(claim)
                await in_time(pipeline.execute())
        except FAILURES as error:
            self.link.note_failure(error)

    async def forget_pages(self) -> None:
        """Called after every write, before it is answered."""
        await self.stamp.forget_pages()

    async def open(self) -> None:
        """Listen to the other processes."""
        await self.stamp.open()

    async def close(self) -> None:
        """Let what is on its way to Redis arrive, then hang up."""
        await asyncio.gather(*self.storing)
        await self.stamp.close()
        await self.link.close()


listings = ListingCache(REDIS_URL)
