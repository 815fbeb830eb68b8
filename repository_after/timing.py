"""How long every request took, from its first line to the last byte of its answer."""

import logging
from time import perf_counter

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .config import SLOW_REQUEST_MS

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


def log_request(scope: Scope, status: int, duration_ms: float) -> None:
    """One line a request."""
    slow = duration_ms > SLOW_REQUEST_MS
    logger.log(
        logging.WARNING if slow else logging.INFO,
        "%s %s route=%s status=%d duration_ms=%.2f%s",
        scope["method"],
        scope["path"],
        getattr(scope.get("route"), "path", "-"),
        status,
        duration_ms,
        " SLOW" if slow else "",
    )
