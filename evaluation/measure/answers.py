"""Whether bodies kept under load are right: what the tables hold, and no older than a write before them."""

import base64
import gzip
import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

from evaluation.database.expected import expected_products
from evaluation.measure.scenarios import FIRST_PAGE, VERSION


def check_bodies(admin_url: str, kept: list[dict[str, Any]]) -> tuple[int, int]:
    """Kept bodies against the tables: how many were looked at, how many are wrong."""
    wrong = 0
    for one in kept:
        seen = json.loads(unpacked(one["body"]))
        items = seen["items"] if isinstance(seen, dict) and "items" in seen else seen
        items = items if isinstance(items, list) else [items]
        wrong += items != expected_products(admin_url, where(one["path"]))
    return len(kept), wrong


def check_versions(kept: list[dict[str, Any]]) -> tuple[int, int]:
    """Kept reads of the first page: none may be older than a write that was answered before they began."""
    reads = [one for one in kept if one["path"] == FIRST_PAGE and one["floor"]]
    return len(reads), sum(is_older(json.loads(unpacked(one["body"])), one["floor"]) for one in reads)


def is_older(page: dict[str, Any], floor: dict[str, int]) -> bool:
    """Whether a product of the page shows less than the version written before the page was asked for."""
    names = {f"/products/{item['id']}": item["name"] for item in page["items"]}
    return any(
        not names[path].startswith(VERSION) or int(names[path].removeprefix(VERSION)) < version
        for path, version in floor.items()
    )


def unpacked(body: str) -> bytes:
    """A kept body, inflated."""
    raw = base64.b64decode(body)
    return gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw


def where(path: str) -> str:
    """The SQL that chooses what a path asks for."""
    parts = urlsplit(path)
    query = {name: values[0] for name, values in parse_qs(parts.query).items()}
    if parts.path == "/products":
        filters = ["is_active" if query.get("is_active", "true") == "true" else "not is_active"]
        filters += [f"category_id = {int(query['category_id'])}"] if "category_id" in query else []
        return f"where {' and '.join(filters)} order by id limit {int(query.get('limit', 20))}"
    ids = [int(number) for number in query.get("ids", parts.path.rpartition("/")[2]).split(",")]
    return f"join unnest(array{ids}) with ordinality as wanted (id, place) using (id) order by place"
