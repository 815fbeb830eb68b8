"""How long every request took, from its first line to the last byte of its answer."""

import asyncio
import logging
from collections.abc import Iterator
from contextlib import nullcontext
from time import perf_counter
from typing import TextIO

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .config import LOG_DELAY_S, LOG_LINES_AT_ONCE, SLOW_REQUEST_MS

logger = logging.getLogger(__name__)


class TimingMiddleware:
    """Logs method, path, route, status and duration; a warning when it took too long."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        started = perf_counter()
        status = 500

        async def send_noting_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, send_noting_status)
        finally:
            # R16: in a finally, so that requests that fail are timed as well.
            log_request(scope, status, (perf_counter() - started) * 1000)


class PendingLines:
    """Lines of quick requests, written a moment later, when those who wait have been answered."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def add(self, line: str) -> None:
        """Keep a line for the next time that lines are written."""
        if not self.lines:
            asyncio.get_running_loop().call_later(LOG_DELAY_S, self.write)
        self.lines.append(line)

    def write(self) -> None:
        """One record for each line kept."""
        lines, self.lines = self.lines, []
        if not lines or not logger.isEnabledFor(logging.INFO):
            return
        # R01: one record is made and copied for the others; to make each takes as long as to write it.
        made = logger.makeRecord(logger.name, logging.INFO, __file__, 0, "", (), None)
        if logger.filters:
            for line in lines:
                logger.handle(with_line(made, line))
        else:
            for handler in handlers():
                hand_over(lines, made, handler)


def with_line(made: logging.LogRecord, line: str) -> logging.LogRecord:
    """A record like another one, with a line of its own."""
    record = object.__new__(type(made))
    record.__dict__ = {**made.__dict__, "msg": line}
    return record


def handlers() -> Iterator[logging.Handler]:
    """All handlers that records of this module go to, from level INFO on."""
    place: logging.Logger | None = logger
    while place:
        yield from (handler for handler in place.handlers if handler.level <= logging.INFO)
        place = place.parent if place.propagate else None


def hand_over(lines: list[str], made: logging.LogRecord, handler: logging.Handler) -> None:
    """Have a handler write a record for each line, that of a stream in fewer pieces than there are lines."""
    try:
        if type(handler) is not logging.StreamHandler or not (
            around := what_stands_around(lines, made, handler)
        ):
            for line in lines:
                handler.handle(with_line(made, line))
            return
        # R01: to format every record takes longer than to write its line.
        before, after = around
        with handler.lock or nullcontext():
            # R01: a system call for each line would take half as long as everything else about it.
            for start in range(0, len(lines), LOG_LINES_AT_ONCE):
                piece = lines[start : start + LOG_LINES_AT_ONCE]
                handler.stream.write("".join([f"{before}{line}{after}" for line in piece]))
            handler.flush()
    except Exception:
        handler.handleError(with_line(made, lines[-1]))


def what_stands_around(
    lines: list[str], made: logging.LogRecord, handler: logging.StreamHandler[TextIO]
) -> tuple[str, str] | None:
    """What a handler writes before and after each of these lines; None where that depends on the line."""
    types = type(made), type(handler.formatter or logging.Formatter())
    if types != (logging.LogRecord, logging.Formatter) or handler.filters:
        return None
    # A width, a precision or a conversion would change one of these.
    longest = "\\\"'" + max(lines, key=len)
    texts = [handler.format(with_line(made, line)) + handler.terminator for line in ("", longest)]
    before, found, after = texts[1].partition(longest)
    return (before, after) if found and texts[0] == before + after else None


pending = PendingLines()


def log_request(scope: Scope, status: int, duration_ms: float) -> None:
    """One line a request; a slow one at once and as a warning."""
    route = getattr(scope.get("route"), "path", "-")
    # As it was sent, and so without line ends and escape characters that a client may have put there.
    path = scope["raw_path"].decode("ascii", "backslashreplace")
    line = f"{scope['method']} {path} route={route} status={status} duration_ms={duration_ms:.2f}"
    if duration_ms > SLOW_REQUEST_MS:
        logger.warning("%s SLOW", line)
    else:
        pending.add(line)
