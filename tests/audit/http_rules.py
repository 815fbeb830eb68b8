"""What can be checked on every exchange by itself: status, JSON, compression, validators, statements.

Each rule yields pairs of a criterion and what is wrong, None where it was checked and held.
"""

import json
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from tests.audit.exchange import Exchange, parsed
from tests.observing import BUDGET

Finding = tuple[str, str | None]

WORTH_COMPRESSING_BYTES = 1_000
SURELY_COMPRESSIBLE_BYTES = 20_000
MOST_OF_PLAIN = 0.3
TAGGED = re.compile(r"/products(/\d+)?")
ALSO_TAGGED = ("/products/batch", "/categories")


def check(exchange: Exchange, *, may_fail: bool) -> Iterator[Finding]:
    """All rules that need nothing but the exchange; `may_fail` where a test has broken something."""
    yield from check_status(exchange, may_fail=may_fail)
    if exchange.status >= 500:
        return
    yield from check_body(exchange)
    yield from check_compression(exchange)
    yield from check_vary(exchange)
    yield from check_validators(exchange)
    if not may_fail:
        # Where a load has failed, the other half of it may still be on its way.
        yield from check_budget(exchange)


def check_status(exchange: Exchange, *, may_fail: bool) -> Iterator[Finding]:
    """No 5xx, and a `detail` with every refusal."""
    if exchange.status >= 500:
        if not may_fail:
            yield "API.1", f"answered {exchange.status}: {exchange.sent[:300]!r}"
    elif exchange.status >= 400 and exchange.method != "HEAD" and exchange.status != 405:
        detail = json_of(exchange)
        has_detail = isinstance(detail, dict) and bool(detail.get("detail"))
        yield "API.1", None if has_detail else f"no JSON object with a `detail`: {exchange.sent[:200]!r}"


def json_of(exchange: Exchange) -> Any:
    """The body as JSON, None when it is none."""
    try:
        return exchange.json()
    except ValueError:
        return None


def check_body(exchange: Exchange) -> Iterator[Finding]:
    """Compact JSON, and nothing where nothing may be."""
    if exchange.status in (204, 304):
        criterion = "R15.2" if exchange.status == 304 else "API.5"
        yield (
            criterion,
            f"a body of {len(exchange.sent)} bytes with {exchange.status}" if exchange.sent else None,
        )
    elif exchange.status in (200, 201) and exchange.method != "HEAD":
        yield "API.7", form_of(exchange)


def form_of(exchange: Exchange) -> str | None:
    """What is wrong with the form of a JSON body."""
    kind = exchange.headers.get("content-type", "none")
    if kind.partition(";")[0].strip() != "application/json":
        return f"Content-Type is {kind}"
    try:
        return form_of_text(exchange.body())
    except ValueError as error:
        return f"no JSON: {error}"


@lru_cache(maxsize=256)
def form_of_text(body: bytes) -> str | None:
    """What is wrong with the text of a JSON body; ValueError when it is none."""
    text = body.decode()
    content = parsed(body)
    spaced = len(text) > len(json.dumps(content, ensure_ascii=False, separators=(",", ":"))) + len(text) // 50
    return "the JSON is not compact" if spaced else None


def accepts_gzip(exchange: Exchange) -> bool | None:
    """Whether the client names gzip; None where it refuses it by a weight of zero."""
    accepted = ",".join(exchange.request_headers.get_list("accept-encoding")).lower()
    named = [item.split(";") for item in accepted.split(",") if item.strip().startswith("gzip")]
    if not named:
        return False
    weights = [part.strip().removeprefix("q=") for part in named[0][1:] if part.strip().startswith("q=")]
    return None if weights and weights[0].strip("0.") == "" else True


def names_gzip_plainly(exchange: Exchange) -> bool:
    """Whether the first line of Accept-Encoding names gzip in small letters: Starlette reads no other."""
    return "gzip" in exchange.request_headers.get_list("accept-encoding")[0]


def check_compression(exchange: Exchange) -> Iterator[Finding]:
    """Large answers packed for those who take gzip, small ones and all others plain."""
    if exchange.status not in (200, 201) or exchange.method == "HEAD":
        return
    packed, accepts = exchange.encoding == "gzip", accepts_gzip(exchange)
    try:
        plain_bytes = len(exchange.body())
    except ValueError as error:
        yield "R12.1", str(error)
        return
    if "*" in exchange.request_headers.get("accept-encoding", ""):
        pass
    elif accepts is None:
        yield "R12.4", "gzip was refused by q=0 and sent all the same" if packed else None
    elif not accepts:
        yield (
            "R12.3",
            f"Content-Encoding {exchange.encoding} was not asked for" if exchange.encoding else None,
        )
    elif not names_gzip_plainly(exchange):
        pass  # R12.7, which tests of its own ask for.
    elif plain_bytes >= WORTH_COMPRESSING_BYTES:
        yield "R12.1", None if packed else f"{plain_bytes} bytes of JSON were sent without gzip"
        if packed and plain_bytes >= SURELY_COMPRESSIBLE_BYTES:
            share = len(exchange.sent) / plain_bytes
            yield (
                "R12.2",
                f"{plain_bytes} bytes became {len(exchange.sent)}" if share > MOST_OF_PLAIN else None,
            )
    else:
        yield "R12.6", f"{plain_bytes} bytes of JSON were sent with gzip" if packed else None


def check_vary(exchange: Exchange) -> Iterator[Finding]:
    """Caches are told that the encoding was negotiated, in every answer that they may keep."""
    is_kept = TAGGED.fullmatch(exchange.path) or exchange.path in ALSO_TAGGED
    if exchange.method == "GET" and exchange.status in (200, 304) and is_kept:
        vary = exchange.headers.get("vary", "")
        yield "R12.5", None if "accept-encoding" in vary.lower() else f"Vary is {vary!r}"


def check_validators(exchange: Exchange) -> Iterator[Finding]:
    """Tags where they belong, 304 only where it may be, and with what belongs to it."""
    tag, known = exchange.headers.get("etag"), exchange.request_headers.get_list("if-none-match")
    if exchange.status == 304:
        wrong = "a 304 that nobody asked for" if not known else None
        yield "R15.2", wrong
        yield "R15.5", None if tag else "a 304 without ETag"
        if exchange.method not in ("GET", "HEAD"):
            yield "R15.7", f"{exchange.method} was answered 304"
    elif exchange.method in ("POST", "PUT", "DELETE") and known:
        yield "R15.7", None if exchange.status != 412 else f"{exchange.method} was answered 412"
    elif exchange.method == "GET" and exchange.status == 200:
        if TAGGED.fullmatch(exchange.path):
            yield "R15.1", None if tag else "no ETag"
        elif exchange.path in ALSO_TAGGED:
            yield "R15.8", None if tag else "no ETag"
        if tag and known == [tag]:
            yield "R15.2", f"If-None-Match: {tag} was answered 200 with that same tag"


def check_budget(exchange: Exchange) -> Iterator[Finding]:
    """Fewer than five statements for any request, as they pass on the wire."""
    if exchange.statements is None or exchange.path == "/health":
        return
    count = len(exchange.statements)
    criterion = "R02.3" if exchange.method in ("POST", "PUT", "DELETE") else "R02.2"
    if exchange.path == "/products" and exchange.method == "GET":
        criterion = "R02.1"
    sqls = "\n    ".join(" ".join(one.split())[:140] for one in exchange.statements[:6])
    yield criterion, f"{count} statements:\n    {sqls}" if count >= BUDGET else None
