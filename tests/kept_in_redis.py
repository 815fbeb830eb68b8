"""What a candidate keeps in Redis: content or bookkeeping, and for how long."""

from collections.abc import Callable
from typing import Any

import redis

from tests.audit.tables import LIFETIME_S
from tests.passing_time import field_lifetimes_ms

BOOKKEEPING_BYTES = 256


def lifetimes_s(client: redis.Redis, key: bytes) -> dict[bytes, float]:
    """The remaining lifetime of a key, or of each field of a hash that has none as a whole."""
    left = client.pttl(key)
    fields = field_lifetimes_ms(client, key) if left < 0 else {}
    return {key + b"/" + field: ms / 1000 for field, ms in fields.items()} or {key: left / 1000}


def is_content(client: redis.Redis, key: bytes) -> bool:
    """Whether a key holds content, not just a counter, a mark, or the names of other keys."""
    return max(map(len, values(client, key)), default=0) > BOOKKEEPING_BYTES


def values(client: redis.Redis, key: bytes) -> list[bytes]:
    """The value of a string, the values of a hash, the members of a list or set; anything else as a whole."""
    read: dict[bytes | str, Callable[[], Any]] = {
        b"string": lambda: [client.get(key) or b""],
        b"hash": lambda: client.hvals(key),
        b"list": lambda: client.lrange(key, 0, -1),
        b"set": lambda: client.smembers(key),
        b"zset": lambda: client.zrange(key, 0, -1),
    }
    return list(read.get(client.type(key), lambda: [client.dump(key) or b""])())


def kept_longer_bytes(client: redis.Redis, keys: set[bytes]) -> int:
    """How many bytes of values under these keys have no lifetime of a minute at most."""
    return sum(
        sum(map(len, values(client, key)))
        for key in keys
        if not all(0 < left <= LIFETIME_S for left in lifetimes_s(client, key).values())
    )


def programs_bytes(admin: redis.Redis) -> int:
    """The memory of scripts and functions, which are no keys and live for ever."""
    memory: dict[str, Any] = admin.info("memory")
    return sum(memory.get(name, 0) for name in ("used_memory_scripts_eval", "used_memory_functions"))
