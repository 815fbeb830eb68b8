"""Sixty seconds that pass at once: the clock of a process is moved, and lifetimes in Redis are shortened."""

from collections.abc import Sequence
from typing import Any

import redis

from tests.conftest import Subject


def pass_time(subjects: Sequence[Subject], seconds: float) -> None:
    """Let time pass for processes of one stage, and for everything in its Redis that has a lifetime."""
    for subject in subjects:
        subject.server.ask("advance", seconds=seconds)
    subject = subjects[0]
    passed_ms = int(seconds * 1000)
    with redis.Redis.from_url(subject.stage.redis_url) as client:
        for key in client.keys("*"):
            left_ms = client.pttl(key)
            if left_ms > passed_ms:
                client.pexpire(key, left_ms - passed_ms)
            elif left_ms >= 0:
                client.delete(key)  # at once, because a lifetime of 1 ms can outlast a quick request
            for field, left_ms in field_lifetimes_ms(client, key).items():
                if left_ms > passed_ms:
                    client.hpexpire(key, left_ms - passed_ms, field)
                elif left_ms >= 0:
                    client.hdel(key, field)


def field_lifetimes_ms(client: redis.Redis, key: bytes) -> dict[bytes, int]:
    """The remaining lifetime of each field of a hash; empty for other keys."""
    fields: list[Any] = client.hkeys(key) if client.type(key) == b"hash" else []
    return dict(zip(fields, client.hpttl(key, *fields), strict=True)) if fields else {}
