"""Rows that no candidate can know, and requests for them."""

import math
import random
import secrets

import psycopg

from evaluation.serving.workbench import Stage

PAGES = {
    "/products?limit=9": "where is_active order by id limit 9",
    "/products?limit=6&is_active=false": "where not is_active order by id limit 6",
    "/products?limit=7&category_id=13": "where is_active and category_id = 13 order by id limit 7",
}

CHANGES = """
update products set name = 'N' || md5(id || %(salt)s), price = 1 + id %% 97 where id %% 3 = %(rest)s;
update products set is_active = not is_active where id %% 11 = %(rest)s;
insert into reviews (product_id, author_id, rating, title, body, created_at)
select id, 1 + id %% 500, 1 + id %% 5, 'T' || md5(id || %(salt)s), md5(%(salt)s || id),
       date_trunc('second', now()) from products
where id %% 7 = %(rest)s;
update categories set description = md5(id || %(salt)s) where id %% 5 = %(rest)s;
update inventory set quantity = quantity + 1 + %(rest)s where product_id %% 2 = 0;
insert into products (id, name, description, price, category_id)
select id, 'N' || md5(id || %(salt)s), %(salt)s, 7.5, 9 from unnest(%(far)s::int[]) id;
insert into inventory (product_id, quantity, reserved) select id, 5, 2 from unnest(%(far)s::int[]) id;
insert into reviews (product_id, author_id, rating, title, body, created_at)
select %(reviewed)s, 1 + n %% 500, 1 + n %% 5, 'T' || n, md5(%(salt)s || n), date_trunc('second', now())
from generate_series(1, %(reviews)s) n;
"""
"""The far products have ids as no seeded product has, and one of them has as many reviews as none."""

MOST_SEEDED_REVIEWS, MOST_REVIEWS = 50, 3_000
ID_BITS = 31

ROWS = """
select (select count(*) from categories), (select count(*) from users), (select count(*) from products),
       (select count(*) from inventory), (select count(*) from reviews)
"""


def row_counts(stage: Stage) -> tuple[int, ...]:
    """The number of rows of every table."""
    with psycopg.connect(stage.admin_url) as connection:
        return connection.execute(ROWS.encode()).fetchone() or ()


def drawn_evenly(least: int, most: int) -> int:
    """A number of any size: as often between 100 and 200 as between 1 000 and 2 000."""
    return min(round(math.exp(random.uniform(math.log(least), math.log(most)))), most)


def change_rows(stage: Stage) -> tuple[int, ...]:
    """Change the seeded rows at random, so that no candidate can know them; return the far products' ids.

    They are of every size that an id can have beyond the seeded ones.
    """
    with psycopg.connect(stage.admin_url, autocommit=True) as connection:
        [(last,)] = connection.execute("select max(id) from products").fetchall()
        sizes = range(last.bit_length(), ID_BITS)
        far = tuple(random.randint(1 << bits, (2 << bits) - 1) for bits in sizes)
        values = {
            "salt": secrets.token_hex(8),
            "rest": secrets.randbelow(3),
            "far": list(far),
            "reviewed": random.choice(far),
            "reviews": drawn_evenly(MOST_SEEDED_REVIEWS + 10, MOST_REVIEWS),
        }
        for statement in CHANGES.split(";"):
            if statement.strip():
                connection.execute(statement.encode(), values)
        connection.execute("analyze")
    return far


def details(far: tuple[int, ...]) -> dict[str, str]:
    """Paths of three random products and of the far ones, and the SQL that selects each."""
    numbers = [*random.sample(range(100, 900), 3), *far]
    return {f"/products/{number}": f"where id = {number}" for number in numbers}


def random_requests(far: tuple[int, ...]) -> dict[str, tuple[str, str]]:
    """Paths that nobody can foresee, the criteria of their budgets, and the SQL that selects the products."""
    found = {}
    for category in random.sample(range(14, 40), 3):
        limit, is_active = random.randint(10, 30), random.choice(("true", "false"))
        path = f"/products?limit={limit}&category_id={category}&is_active={is_active}"
        where = f"where is_active = {is_active} and category_id = {category}"
        found[path] = ("R02.1", f"{where} order by id limit {limit}")
    one, *several = random.sample(range(1100, 1900), 12)
    found[f"/products/{one}"] = ("R02.2", f"where id = {one}")
    listed = ",".join(map(str, [*several, *far]))
    found[f"/products/batch?ids={listed}"] = (
        "R02.2",
        f"where id in ({listed}) order by array_position(array[{listed}], id)",
    )
    return found
