"""The seeded database: built once as a template, checked, and cloned for every candidate."""

import secrets
from hashlib import sha256
from pathlib import Path

import psycopg
from psycopg import sql

from evaluation.errors import InfrastructureError
from evaluation.machine.addresses import other_database

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
    """A short digest of the content: of the script and the number of products."""
    return sha256(SCRIPT.read_bytes() + str(products).encode()).hexdigest()[:12]


def expected_facts(products: int) -> tuple[int, ...]:
    """The values of FACTS in a complete dataset."""
    reviews = sum(max(51 - product, product % 4) for product in range(1, products + 1))
    return 42, products, products * (products + 1) // 2, products, reviews, 785


def ensure_template(admin_url: str, products: int) -> str:
    """The name of the template database, which is built now unless a complete one exists."""
    name = f"hofaz9_{content_key(products)}"
    with psycopg.connect(admin_url, autocommit=True) as admin:
        # When two harnesses use one server, the second waits here and then finds the template.
        admin.execute("SET lock_timeout = '5min'")
        admin.execute("select pg_advisory_lock(hashtext('hofaz9'))")
        query = "select shobj_description(oid, 'pg_database') from pg_database where datname = %s"
        row = admin.execute(query, (name,)).fetchone()
        if row and row[0] == COMPLETE:
            return name
        if row:
            raise InfrastructureError(f"database {name} is incomplete: DROP DATABASE {name}")
        ensure_owner(admin)
        building = f"hofaz9_building_{secrets.token_hex(4)}"
        admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(building)))
        close_to_candidates(admin, building)
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
    """Create the role that owns the tables of every clone; the candidates' roles are its members."""
    if admin.execute("select 1 from pg_roles where rolname = %s", (OWNER_ROLE,)).fetchone():
        return
    owner = sql.Identifier(OWNER_ROLE)
    admin.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(owner))
    admin.execute(sql.SQL("GRANT {} TO CURRENT_USER").format(owner))


def fill(url: str, products: int) -> None:
    """Create tables and rows in an empty database, and analyze them."""
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
    """Raise InfrastructureError when the dataset is incomplete."""
    with psycopg.connect(url) as connection:
        facts = connection.execute(FACTS.encode()).fetchone()
    if facts != expected_facts(products):
        raise InfrastructureError(
            "the dataset is incomplete: (categories, products, sum of ids, inventory, reviews, "
            f"reviews of the first page) is {facts}, expected {expected_facts(products)}"
        )


def clone(admin_url: str, template: str, name: str, role: str, ours: str) -> None:
    """Copy the template to a database that only two roles may enter; in it, `ours` may make schemas too."""
    database = sql.Identifier(name)
    with psycopg.connect(admin_url, autocommit=True) as admin:
        admin.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY").format(
                database, sql.Identifier(template)
            )
        )
        close_to_candidates(admin, name)
        for rights, member in (("CONNECT", role), ("CONNECT, CREATE", ours)):
            grant = f"GRANT {rights} ON DATABASE {{}} TO {{}}"
            admin.execute(sql.SQL(grant).format(database, sql.Identifier(member)))
    with psycopg.connect(other_database(admin_url, name), autocommit=True) as inside:
        # A candidate ends no session: Postgres would let it end those of its other processes.
        for function in ("pg_terminate_backend(int, bigint)", "pg_cancel_backend(int)"):
            inside.execute(f"REVOKE EXECUTE ON FUNCTION {function} FROM PUBLIC".encode())
            grant = f"GRANT EXECUTE ON FUNCTION {function} TO {{}}"
            inside.execute(sql.SQL(grant).format(sql.Identifier(ours)))


def close_to_candidates(admin: psycopg.Connection, name: str) -> None:
    """Take away the right of every role to connect; the roles that need it are granted it afterwards."""
    admin.execute(sql.SQL("REVOKE CONNECT ON DATABASE {} FROM PUBLIC").format(sql.Identifier(name)))


def drop(admin_url: str, name: str) -> None:
    """Drop a database, even while clients are connected."""
    with psycopg.connect(admin_url, autocommit=True) as admin:
        admin.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
