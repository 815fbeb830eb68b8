"""The seeded database: built once as a template, checked, and cloned for every candidate."""

import secrets
from hashlib import sha256
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

from evaluation.errors import InfrastructureError

SIZES = {"small": 2_000, "double": 4_000, "tenth": 10_000, "standard": 100_000, "large": 1_000_000}
OWNER_ROLE = "hofaz9_catalog"
SCRIPT = Path(__file__).with_name("dataset.sql")
COMPLETE = "hofaz9: complete"

FACTS = """
select (select count(*) from categories), (select count(*) from products),
    (select sum(id) from products), (select count(*) from inventory), (select count(*) from reviews),
    (select count(*) from reviews where product_id in
        (select id from products where is_active order by id limit 20))
"""


def content_key(products: int) -> str:
    """Names the content: the script and the number of products."""
    return sha256(f"{SCRIPT.read_text()}{products}".encode()).hexdigest()[:12]


def expected_facts(products: int) -> tuple[int, ...]:
    """What FACTS must say of a whole dataset."""
    reviews = sum(max(51 - product, product % 4) for product in range(1, products + 1))
    return 42, products, products * (products + 1) // 2, products, reviews, 785


def ensure_template(admin_url: str, products: int) -> str:
    """The name of the template database, built now unless a complete one is there."""
    name = f"hofaz9_{content_key(products)}"
    with psycopg.connect(admin_url, autocommit=True) as admin:
        # Two harnesses on one server: the second waits and finds the template ready.
        admin.execute("select pg_advisory_lock(hashtext('hofaz9'))")
        query = "select shobj_description(oid, 'pg_database') from pg_database where datname = %s"
        row = admin.execute(query, (name,)).fetchone()
        if row and row[0] == COMPLETE:
            return name
        if row:
            raise InfrastructureError(f"database {name} is half loaded: DROP DATABASE {name}")
        ensure_owner(admin)
        building = f"hofaz9_building_{secrets.token_hex(4)}"
        admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(building)))
        try:
            fill(other_database(admin_url, building), products)
            admin.execute(
                sql.SQL("COMMENT ON DATABASE {} IS {}").format(
                    sql.Identifier(building), sql.Literal(COMPLETE)
                )
            )
            admin.execute(
                sql.SQL("ALTER DATABASE {} RENAME TO {}").format(
                    sql.Identifier(building), sql.Identifier(name)
                )
            )
        except BaseException:
            drop(admin_url, building)
            raise
    return name


def ensure_owner(admin: psycopg.Connection) -> None:
    """The role that owns the tables of every clone, and that candidates' roles are members of."""
    if admin.execute("select 1 from pg_roles where rolname = %s", (OWNER_ROLE,)).fetchone():
        return
    owner = sql.Identifier(OWNER_ROLE)
    admin.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(owner))
    admin.execute(sql.SQL("GRANT {} TO CURRENT_USER").format(owner))


def fill(url: str, products: int) -> None:
    """Create tables and rows in an empty database, and gather statistics."""
    owner = sql.Identifier(OWNER_ROLE)
    with psycopg.connect(url) as connection:
        connection.execute(sql.SQL("GRANT ALL ON SCHEMA public TO {}").format(owner))
        connection.execute(sql.SQL("SET LOCAL ROLE {}").format(owner))
        # VACUUM marks a page as visible to all only once the commit of its rows has reached the disk.
        connection.execute("SET LOCAL synchronous_commit = on")
        connection.execute("select set_config('hofaz9.products', %s, true)", (str(products),))
        connection.execute(SCRIPT.read_bytes())
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(sql.SQL("SET ROLE {}").format(owner))
        connection.execute("VACUUM (ANALYZE, PARALLEL 0) categories, users, products, inventory, reviews")
    verify(url, products)


def verify(url: str, products: int) -> None:
    """Refuse a dataset that is not whole."""
    with psycopg.connect(url) as connection:
        facts = connection.execute(FACTS.encode()).fetchone()
    if facts != expected_facts(products):
        raise InfrastructureError(
            "the dataset is not whole: (categories, products, sum of ids, inventory, reviews, "
            f"reviews of the first page) is {facts}, expected {expected_facts(products)}"
        )


def clone(admin_url: str, template: str, name: str, role: str) -> None:
    """A copy of the template that only `role` and the administrator may enter."""
    database, member = sql.Identifier(name), sql.Identifier(role)
    with psycopg.connect(admin_url, autocommit=True) as admin:
        admin.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY").format(
                database, sql.Identifier(template)
            )
        )
        admin.execute(sql.SQL("REVOKE CONNECT ON DATABASE {} FROM PUBLIC").format(database))
        admin.execute(sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(database, member))


def drop(admin_url: str, name: str) -> None:
    """Take a database away again, whoever is in it."""
    with psycopg.connect(admin_url, autocommit=True) as admin:
        admin.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def other_database(url: str, database: str) -> str:
    """The same server, another database."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{database}", query=""))
