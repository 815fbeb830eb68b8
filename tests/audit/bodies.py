"""Whether the body of an answer is what the tables hold, and which page it points to."""

from collections.abc import Iterator
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qs, urlsplit

from evaluation.database.expected import difference, wrong_total
from tests.audit.exchange import Exchange
from tests.audit.http_rules import Finding
from tests.audit.tables import Listing, Tables

LARGEST_ID = 2**31 - 1


def check(exchange: Exchange, tables: Tables, server: str) -> Iterator[Finding]:
    """The body of a GET against the rows, unless these were changed meanwhile."""
    findings = [*compared(exchange, tables, server)]
    # Asked after the rows were read: a write may have come between the answer and them.
    if not tables.were_written_since(exchange.started_s):
        yield from findings


def compared(exchange: Exchange, tables: Tables, server: str) -> Iterator[Finding]:
    """The body of a GET against the rows as they are now, unless others may be shown for a minute."""
    if exchange.method != "GET" or exchange.status != 200 or tables.may_be_stale():
        return
    try:
        content = exchange.json()
    except ValueError:
        return
    yield "API.4", wrong_host(content, exchange.request_headers.get("host", ""))
    criterion = criterion_of(tables, server)
    seen = (exchange.target, sha256(exchange.body()).digest())
    if seen in tables.compared:
        yield criterion, None
        return
    if listing := tables.listing(exchange.target):
        yield from check_page(content, listing, tables, criterion, seen)
    elif (wanted := rows_of(exchange.target, tables)) is not None:
        wrong = difference(content, wanted)
        yield criterion, wrong
        if not wrong:
            tables.compared.add(seen)


def criterion_of(tables: Tables, server: str) -> str:
    """Which promise a wrong body breaks: a write of the last minute, here or elsewhere, or none."""
    if tables.was_written(by=server):
        return "API.6"
    return "R08.6" if tables.was_written(by_others=server) else "API.2"


def rows_of(target: str, tables: Tables) -> Any:
    """What a product, a batch or the categories must be; None for anything else."""
    parts = urlsplit(target)
    kind = parts.path.removeprefix("/products/")
    if parts.path == "/categories":
        return tables.categories()
    if parts.path == "/products/batch":
        ids = parse_qs(parts.query).get("ids", [""])[0].split(",")
        return tables.batch([int(one) for one in ids]) if all(is_id(one) for one in ids) else None
    if kind != parts.path and is_id(kind):
        found = tables.products(f"where id = {int(kind)}")
        return found[0] if found else None
    return None


def is_id(text: str) -> bool:
    """Whether a text is the id that a product can have."""
    return text.isascii() and text.isdigit() and 1 <= int(text) <= LARGEST_ID


def check_page(
    content: Any, listing: Listing, tables: Tables, criterion: str, seen: tuple[str, bytes]
) -> Iterator[Finding]:
    """Items, total and `next` of a listing."""
    wanted = tables.page(listing)
    if wanted is None:
        return
    if not isinstance(content, dict) or content.keys() != {"items", "total", "next"}:
        yield "API.2", f"a listing is an object of items, total and next, not {str(content)[:80]}"
        return
    items = wanted[: listing.limit]
    wrong = difference(content["items"], items, "items")
    yield criterion, wrong
    if not wrong:
        tables.compared.add(seen)
        yield "API.4", wrong_next(content["next"], listing, items, more=len(wanted) > listing.limit)
        if content["next"]:
            behind = Listing(listing.limit, listing.category_id, listing.is_active, items[-1]["id"])
            tables.pages[relative(content["next"])] = behind
    yield "R11.2", wrong_total(content["total"], tables.total(listing), tables.writes)


def wrong_next(found: Any, listing: Listing, items: list[dict[str, Any]], *, more: bool) -> str | None:
    """What is wrong with `next`, as far as it can be seen without following it."""
    if more and not isinstance(found, str):
        return f"next is {found!r} though products follow {items[-1]['id'] if items else 'it'}"
    if not more and found is not None:
        return f"next is {found!r} on the last page (limit {listing.limit})"
    return None


def wrong_host(content: Any, host: str) -> str | None:
    """Whether `next` leads to a host that the request did not name; some exchanges do not keep the host."""
    link = content.get("next") if isinstance(content, dict) else None
    if not host or not isinstance(link, str) or urlsplit(link).netloc.lower() in ("", host.lower()):
        return None
    return f"next leads to {link!r}, though the request names the host {host!r}"


def relative(link: str) -> str:
    """Path and query of a link."""
    parts = urlsplit(link)
    return f"{parts.path}?{parts.query}" if parts.query else parts.path
