"""Pages: listings as ready bytes, kept in this process and, sealed, in Redis."""

import asyncio
import struct
import time
from collections import OrderedDict
from dataclasses import dataclass
from hashlib import blake2b

from .compression import compress
from .config import CACHE_TTL_S, GZIP_MINIMUM_BYTES
from .http_cache import etag_of

DIGEST_BYTES = 16
HEADER = struct.Struct("16sd?")  # stamp, expiry (Unix time), compressed
TOTAL = struct.Struct("Qd")  # total, expiry (Unix time)
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
        """Whether it may be served while this stamp stands; the clock may have been set back meanwhile."""
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


def kept_total(content: bytes | None) -> int | None:
    """A total as Redis has it, while its minute lasts; as with pages, the clock may have been set back."""
    total, expires_at_s = TOTAL.unpack(content) if content else (None, 0)
    return total if 0 < expires_at_s - time.time() <= CACHE_TTL_S else None


async def pack(content: bytes, stamp: bytes, read_at_s: float) -> Page:
    """The page as it will be sent until 60 seconds after its load began: the rows are no younger."""
    is_compressed = len(content) >= GZIP_MINIMUM_BYTES
    body = await asyncio.to_thread(compress, content) if is_compressed else content
    return Page(etag_of(body), body, is_compressed, stamp, read_at_s + CACHE_TTL_S)


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
