"""What the connection pool of a candidate says in its log while more clients ask than it can serve."""

import re
import time
from collections import Counter
from collections.abc import Sequence

from evaluation.serving.server import Server

SAYING = "QueuePool limit"
"""What SQLAlchemy says when no connection becomes free in time, whichever driver is below it."""
TOLD = re.compile(rf"\w{{0,60}}Error: .{{0,200}}{SAYING}.{{0,300}}")
LONGEST_LINE = 1_000
MOST_TEXTS = 5
QUIET_S, PAUSE_S = 1.0, 0.05


def sizes_of_logs(servers: Sequence[Server]) -> list[int]:
    """How many bytes each log has so far."""
    return [server.log.stat().st_size for server in servers]


def pool_errors(servers: Sequence[Server], since: Sequence[int], expected: int) -> dict[str, int]:
    """The most frequent texts of the pool since the logs had these sizes, and how often each was told.

    A log may be written after the answer: it is read until it tells of as many errors as `expected`, or has
    told no other for a while. The texts keep their numbers.
    """
    found, deadline = errors_since(servers, since), time.monotonic() + QUIET_S
    while found.total() < expected and time.monotonic() < deadline:
        time.sleep(PAUSE_S)
        before, found = found, errors_since(servers, since)
        if found != before:
            deadline = time.monotonic() + QUIET_S
    return dict(found.most_common(MOST_TEXTS))


def errors_since(servers: Sequence[Server], since: Sequence[int]) -> Counter[str]:
    """All texts of the pool in the logs since they had these sizes."""
    texts = [server.log_text(size) for server, size in zip(servers, since, strict=True)]
    lines = [line[:LONGEST_LINE] for text in texts if SAYING in text for line in text.splitlines()]
    return Counter(told[0] for line in lines if SAYING in line for told in [TOLD.search(line)] if told)
