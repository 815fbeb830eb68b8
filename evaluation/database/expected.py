"""The answers that the API must give, read directly from the tables."""

from typing import Any

import psycopg

PRODUCT = """
select json_build_object('id', p.id, 'name', p.name, 'description', p.description,
    'price', p.price::text, 'is_active', p.is_active,
    'created_at', to_char(p.created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
    'category', (select json_build_object('id', id, 'name', name, 'description', description)
        from categories where id = p.category_id),
    'inventory', (select json_build_object('quantity', quantity, 'reserved', reserved,
        'available', greatest(quantity - reserved, 0), 'in_stock', quantity > reserved)
        from inventory where product_id = p.id),
    'average_rating', (select round(avg(rating), 2)::float from reviews where product_id = p.id),
    'review_count', (select count(*) from reviews where product_id = p.id),
    'reviews', (select coalesce(json_agg(json_build_object('id', r.id, 'rating', r.rating,
        'title', r.title, 'body', r.body,
        'created_at', to_char(r.created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
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
