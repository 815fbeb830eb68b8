"""Walks from page to page, and what each page of them costs."""

from collections.abc import Iterator
from typing import Any

from tests.conftest import Subject
from tests.observing import Spent

MOST_PAGES = 2_500
"""More than the largest catalog that the suite walks through has products."""
MOST_STATEMENTS = 50


def pages(subject: Subject, path: str) -> Iterator[dict[str, Any]]:
    """Every page of a listing, by following `next`; a walk that comes to no end fails."""
    url: str | None = path
    visited: set[str] = set()
    while url:
        assert url not in visited, f"next leads in a circle: {url}"
        assert len(visited) < MOST_PAGES, f"more than {MOST_PAGES} pages follow {path}"
        visited.add(url)
        page = subject.json(url)
        yield page
        url = page["next"]


def counted_pages(subject: Subject, path: str) -> Iterator[tuple[dict[str, Any], Spent]]:
    """Every page of a listing, each with what it cost."""
    walk = pages(subject, path)
    while True:
        with subject.observer.counted() as spent:
            page = next(walk, None)
        if page is None:
            break
        yield page, spent


def assert_walkable(subject: Subject, filters: str) -> None:
    """A page of thirty is cheap enough for a whole walk: where pages are dear, this is told soon."""
    _, spent = next(counted_pages(subject, f"/products?limit=30&{filters}"))
    assert spent.total < MOST_STATEMENTS, f"too dear to be walked through: {spent.explain()}"
