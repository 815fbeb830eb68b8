"""Entity tags and 304: a client that has the newest answer is not sent it again (RFC 9110, 13)."""

import re
from hashlib import blake2b

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

TAG = re.compile(r'(?:W/)?"[^"]*"')


def etag_of(body: bytes) -> str:
    """A weak tag (one for all encodings) that changes with the content and with nothing else."""
    return f'W/"{blake2b(body, digest_size=16).hexdigest()}"'


def matches(if_none_match: list[str], etag: str) -> bool:
    """Whether the client already has what `etag` names; weak comparison, lists and `*` included."""
    opaque = etag.removeprefix("W/")
    return any(
        value.strip() == "*" or any(tag.removeprefix("W/") == opaque for tag in TAG.findall(value))
        for value in if_none_match
    )


class ConditionalMiddleware:
    """Tags every 200 of a GET, and answers 304 when the client's tag is the same."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] not in ("GET", "HEAD"):
            return await self.app(scope, receive, send)
        start: Message = {}
        body = bytearray()

        async def send_tagged(message: Message) -> None:
            if message["type"] == "http.response.start":
                start.update(message)
            if start.get("status") != 200:
                return await send(message)
            if message["type"] == "http.response.body":
                body.extend(message.get("body", b""))
                if not message.get("more_body", False):
                    await send_whole(scope, start, bytes(body), send)

        await self.app(scope, receive, send_tagged)


async def send_whole(scope: Scope, start: Message, body: bytes, send: Send) -> None:
    """Send a complete 200, or the 304 that stands for it."""
    headers = MutableHeaders(raw=start.setdefault("headers", []))
    # R15: the tag is a digest of the content, so it outlives processes and changes with any row.
    etag = f"W/{headers.get('etag', etag_of(body)).removeprefix('W/')}"
    headers["etag"] = etag
    headers.setdefault("cache-control", "no-cache")
    if matches(Headers(scope=scope).getlist("if-none-match"), etag):
        for name in ("content-length", "content-type", "content-encoding"):
            del headers[name]
        start["status"], body = 304, b""
    await send(start)
    await send({"type": "http.response.body", "body": body})
