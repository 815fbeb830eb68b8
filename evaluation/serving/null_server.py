"""The null server: an ASGI application that sends prepared bytes, the least work a candidate could do."""

import os
from typing import Any


def null_app(size: int) -> Any:
    """An application that answers every request with the same `size` random bytes, marked as gzip."""
    body = os.urandom(size)
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(size).encode()),
        (b"content-encoding", b"gzip"),
        (b"vary", b"Accept-Encoding"),
    ]

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            for event in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{event}.complete"})
            return
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return app
