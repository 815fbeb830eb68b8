"""The answers that the API must give, read from the tables, and where an answer differs from them."""

from datetime import datetime
from typing import Any

import psycopg

TOTAL_SHARE, TOTAL_ROWS = 0.25, 2
"""How far an estimated total may be off."""
PRODUCT = """
select json_build_object('id', p.id, 'name', p.name, 'description', p.description,
    'price', p.price::text, 'is_active', p.is_active,
    'created_at', to_char(p.created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
    'category', (select json_build_object('id', id, 'name', name, 'description', description)
        from categories where id = p.category_id),
    'inventory', (select json_build_object('quantity', quantity, 'reserved', reserved,
        'available', greatest(quantity - reserved, 0), 'in_stock', quantity > reserved)
        from inventory where product_id = p.id),
    'average_rating', (select avg(rating)::float from reviews where product_id = p.id),
    'review_count', (select count(*) from reviews where product_id = p.id),
    'reviews', (select coalesce(json_agg(json_build_object('id', r.id, 'rating', r.rating,
        'title', r.title, 'body', r.body,
        'created_at', to_char(r.created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
        'author', json_build_object('id', u.id, 'name', u.name, 'location', u.location))
        order by r.id), '[]') from reviews r join users u on u.id = r.author_id
        where r.product_id = p.id)) from products p
"""


def expected_products(admin_url: str, rest: str) -> list[dict[str, Any]]:
    """Products in the shape of the API; `rest` is our own SQL that follows `from products p`."""
    with psycopg.connect(admin_url) as connection:
        return [row[0] for row in connection.execute(f"{PRODUCT} {rest}".encode())]


def expected_categories(admin_url: str) -> list[dict[str, Any]]:
    """All categories in the shape of the API."""
    query = "select json_build_object('id', id, 'name', name, 'description', description) from categories"
    with psycopg.connect(admin_url) as connection:
        return [row[0] for row in connection.execute(f"{query} order by id".encode())]


HALF_A_HUNDREDTH = 0.005 + 1e-9
"""An `average_rating` is the mean to two decimal places; half a hundredth may be rounded either way."""


def difference(seen: Any, wanted: Any, place: str = "") -> str | None:
    """The first place where an answer differs from what the tables hold, in words; None when nowhere.

    Instants are compared as instants; an average that is wanted is the mean itself, or rounded as well.
    """
    if isinstance(wanted, dict) and isinstance(seen, dict):
        if names := seen.keys() ^ wanted.keys():
            return f"{place or 'body'} has {sorted(seen)}, not {sorted(wanted)} ({', '.join(sorted(names))})"
        pairs = [(f"{place}.{name}".lstrip("."), seen[name], wanted[name]) for name in wanted]
    elif isinstance(wanted, list) and isinstance(seen, list):
        if len(seen) != len(wanted):
            return f"{place or 'body'} has {len(seen)} entries instead of {len(wanted)}"
        pairs = [
            (f"{place}[{n}]", one, other) for n, (one, other) in enumerate(zip(seen, wanted, strict=True))
        ]
    else:
        return (
            None
            if is_same(place, seen, wanted)
            else f"{place or 'body'} is {seen!r:.80} instead of {wanted!r:.80}"
        )
    return next((found for where, one, other in pairs if (found := difference(one, other, where))), None)


def is_same(place: str, seen: Any, wanted: Any) -> bool:
    """Whether two values without parts mean the same."""
    if place.endswith("created_at") and isinstance(seen, str) and isinstance(wanted, str):
        return instant(seen) == instant(wanted)
    if place.endswith("average_rating") and isinstance(seen, float | int) and isinstance(wanted, float | int):
        return round(seen, 2) == seen and abs(seen - wanted) <= HALF_A_HUNDREDTH
    return type(seen) is type(wanted) and seen == wanted


def instant(text: str) -> datetime | str:
    """The moment that a time stamp names; the text itself when it names none."""
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return text


def wrong_total(found: object, exact: int | None, writes: int = 0) -> str | None:
    """What is wrong with a total, which may be an estimate; so many writes may not be counted in yet."""
    if exact is None:
        return None
    if isinstance(found, int) and abs(found - exact) <= TOTAL_SHARE * exact + TOTAL_ROWS + writes:
        return None
    return f"total is {found!r:.80}, there are {exact}"
