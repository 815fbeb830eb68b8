"""Checks the bodies that were kept under load: against the tables, and against the writes before them."""

import base64
import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

from evaluation.database.expected import difference, expected_products
from evaluation.measure.scenarios import FIRST_PAGE, VERSION
from evaluation.serving.connection import AnswerError, unpacked


def check_bodies(admin_url: str, kept: list[dict[str, Any]]) -> tuple[int, int]:
    """Compare kept bodies with the tables; return how many were checked and how many are wrong."""
    wrong = 0
    for one in kept:
        content = content_of(one)
        items = content["items"] if isinstance(content, dict) and "items" in content else content
        items = items if isinstance(items, list) else [items]
        wrong += difference(items, expected_products(admin_url, where(one["path"]))) is not None
    return len(kept), wrong


def check_versions(kept: list[dict[str, Any]]) -> tuple[int, int]:
    """Check kept reads of the first page; return how many were checked and how many are out of date.

    A read is out of date when it misses a write that was answered before the read began.
    """
    reads = [one for one in kept if one["path"] == FIRST_PAGE and one["floor"]]
    return len(reads), sum(is_older(content_of(one), one["floor"]) for one in reads)


def is_older(page: Any, floor: dict[str, int]) -> bool:
    """Whether a product of the page shows an older version than `floor`, the versions written before.

    A body that is no page shows none.
    """
    try:
        names = {f"/products/{item['id']}": item["name"] for item in page["items"]}
        return any(
            not names[path].startswith(VERSION) or int(names[path].removeprefix(VERSION)) < version
            for path, version in floor.items()
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return True


def content_of(kept: dict[str, Any]) -> Any:
    """The JSON in a kept body; None when there is none."""
    raw = base64.b64decode(kept["body"])
    try:
        return json.loads(unpacked(raw) if raw[:2] == b"\x1f\x8b" else raw)
    except (AnswerError, ValueError, RecursionError):
        return None


def where(path: str) -> str:
    """The SQL that selects the products of a path."""
    parts = urlsplit(path)
    query = {name: values[0] for name, values in parse_qs(parts.query).items()}
    if parts.path == "/products":
        filters = ["is_active" if query.get("is_active", "true") == "true" else "not is_active"]
        filters += [f"category_id = {int(query['category_id'])}"] if "category_id" in query else []
        return f"where {' and '.join(filters)} order by id limit {int(query.get('limit', 20))}"
    ids = [int(number) for number in query.get("ids", parts.path.rpartition("/")[2]).split(",")]
    return f"join unnest(array{ids}) with ordinality as wanted (id, place) using (id) order by place"
