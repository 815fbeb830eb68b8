"""The stamp that every write moves: a page is good while the stamp it was loaded under still stands."""

import asyncio
import contextlib
import struct
import time
from secrets import token_bytes

from redis.exceptions import ResponseError

from .config import REDIS_RETRY_S
from .next_call import NextCall
from .notices import Notices
from .redis_link import FAILURES, RedisLink, in_time

KEY = "catalog:stamp"
FORMAT = struct.Struct(">Q8s")  # milliseconds since 1970, and what no other process draws
LATEST_MS = 1 << 48  # The year 10889: what claims to be later is no stamp of ours.


class Stamp:
    """One stamp for all processes. It lies in Redis and is read for every request that uses a page."""

    def __init__(self, link: RedisLink) -> None:
        self.link = link
        self.newest = b""
        self.moves_due, self.moves_made = 0, 0
        self.retrying: asyncio.Task[None] | None = None
        self.notices = Notices(self.schedule_move)
        self.link.reconnected = self.schedule_move
        # R08: one round trip for all requests that wait for it.
        self.reads = NextCall(self.read)

    @property
    def is_move_due(self) -> bool:
        """Whether a write was not told to Redis yet."""
        return self.moves_made < self.moves_due

    async def read(self) -> bytes:
        """The stamp that stands now, agreed on where there was none; one of FAILURES where it is unknown."""
        if self.link.is_down():
            raise TimeoutError("Redis did not answer a moment ago")
        if self.is_move_due:
            await self.move()
        stamp = await self.standing()
        if self.is_move_due or stamp < self.newest:
            # Redis was away meanwhile, and may be back with what it knew some time ago.
            await self.move()
            stamp = await self.standing()
        self.newest = max(stamp, self.newest)
        return stamp

    async def standing(self) -> bytes:
        """What Redis has; where that is no stamp, the one that it gets now."""
        redis = self.link.redis
        try:
            stamp: bytes | None = await in_time(redis.get(KEY))
        except ResponseError:
            stamp = b"of another type"
        if stamp is None or not is_stamp(stamp):
            await in_time(redis.set(KEY, self.next(), nx=stamp is None))
            stamp = await in_time(redis.get(KEY))
        if stamp is None or not is_stamp(stamp):
            raise TimeoutError("Redis keeps no stamp")
        return stamp

    def next(self) -> bytes:
        """A stamp that is newer than every one that this process has seen, whatever the clock says."""
        newest_ms = FORMAT.unpack(self.newest)[0] if self.newest else 0
        return FORMAT.pack(max(int(time.time() * 1000), newest_ms + 1), token_bytes(8))

    async def move(self) -> None:
        """Make every page out of date, in all processes."""
        # What becomes due while Redis is told is not told with it.
        stamp, moves = self.next(), self.moves_due
        try:
            await in_time(self.link.redis.set(KEY, stamp))
        except ResponseError:
            # A Redis that is full still takes the stamp away, and without one no page is good.
            await in_time(self.link.redis.delete(KEY))
        self.newest = max(stamp, self.newest)
        self.moves_made = max(moves, self.moves_made)

    async def forget_pages(self) -> None:
        """Called after every write, before it is answered: no page from before is good any more."""
        try:
            await self.move()
        except FAILURES as error:
            self.link.note_failure(error)
            self.schedule_move()
            # R08: the other processes may reach Redis all the same, and must not go on with their pages.
            await self.notices.tell()

    def schedule_move(self) -> None:
        """No page is good until the stamp has been moved, which is tried until it is done."""
        self.moves_due += 1
        if self.retrying is None or self.retrying.done():
            self.retrying = asyncio.create_task(self.retry())

    async def retry(self) -> None:
        """Move the stamp as soon as Redis can be reached, also when no request asks for a listing."""
        while self.is_move_due:
            await asyncio.sleep(REDIS_RETRY_S)
            try:
                if self.is_move_due:
                    await self.move()
            except FAILURES as error:
                self.link.note_failure(error)

    async def open(self) -> None:
        """Listen to the other processes."""
        await self.notices.open()

    async def close(self) -> None:
        """Try once more to move what should have been moved, and listen no longer."""
        if self.retrying is not None:
            self.retrying.cancel()
        with contextlib.suppress(*FAILURES):
            if self.is_move_due:
                await self.move()
        await self.notices.close()


def is_stamp(value: bytes) -> bool:
    """Whether a value in Redis can be a stamp of this catalog."""
    return len(value) == FORMAT.size and FORMAT.unpack(value)[0] < LATEST_MS
