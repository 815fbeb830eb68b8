"""Ways to hide work in the database are found: what counts, what is planned, and what must not be there."""

from collections.abc import Callable, Iterator
from contextlib import closing

import psycopg
import pytest
import redis

from evaluation.database.dataset import SIZES
from evaluation.database.hiding import lost_in_a_crash, means_to_hide
from evaluation.database.plans import SETTINGS, QueryPlan, read_plan
from evaluation.serving.relay import Relay
from evaluation.serving.workbench import Stage, Workbench

HIDDEN = """
create function seek() returns int language plpgsql as $$begin
perform 1 FROM ONLY "public"."products" x WHERE "id" OPERATOR(pg_catalog.=) 7; return 1;
end$$
"""
"""A function that reads products in the shape of what Postgres runs for a foreign key."""


@pytest.fixture
def stage(bench: Workbench) -> Iterator[Stage]:
    with bench.stage(SIZES["small"]) as stage:
        yield stage


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        ("create table pg_description (id int)", "a relation called pg_description"),
        ("create function f() returns bigint begin atomic select 1; end", "a function f"),
        ("create function g() returns int language sql as 'select 1'", None),
        ("create index on products (name)", None),
    ],
)
def test_what_hides_work_is_named(stage: Stage, statement: str, found: str | None) -> None:
    assert means_to_hide(stage.admin_url) == []
    with psycopg.connect(stage.url, autocommit=True) as connection:
        connection.execute(statement.encode())

    told = means_to_hide(stage.admin_url)

    assert len(told) == (found is not None)
    assert all(one.startswith(str(found)) for one in told)


def test_tables_that_a_crash_empties_are_named(stage: Stage) -> None:
    assert lost_in_a_crash(stage.admin_url) == []
    with psycopg.connect(stage.url, autocommit=True) as connection:
        connection.execute("alter table reviews set unlogged")
        connection.execute("create unlogged table kept_pages (content text)")

    assert lost_in_a_crash(stage.admin_url) == ["reviews"]


@pytest.mark.parametrize(
    ("statement", "is_counted"),
    [
        ("select lo_get(1)", True),
        ("select pg_sleep(0)", True),
        ("select current_setting('jit')", False),
        ("select oid from pg_type where typname = 'int4'", False),
    ],
)
def test_what_can_do_anything_is_no_question_about_the_session(
    stage: Stage, statement: str, is_counted: bool
) -> None:
    with closing(stage.counters()) as counters:
        assert counters.is_about_the_session(statement) is not is_counted


def test_the_check_of_a_foreign_key_comes_with_a_write(stage: Stage) -> None:
    insert = "insert into inventory (product_id, quantity, reserved) values (7, 0, 0)"
    with closing(stage.counters()) as counters, psycopg.connect(stage.url, autocommit=True) as connection:
        connection.execute(HIDDEN.encode())
        before = counters.snapshot()
        connection.execute("select seek()")
        read = counters.since(before)
        before = counters.snapshot()
        connection.execute(insert.encode())
        written = counters.since(before)

    assert [work.sql for work in read if work.is_of_a_foreign_key()], "what the function ran is not counted"
    assert [work.is_top for work in written] == [True]


Act = Callable[[psycopg.Connection[tuple[object, ...]]], object]


@pytest.fixture
def explained(bench: Workbench) -> Iterator[tuple[Stage, Relay]]:
    """A stage whose statements have plans, and the relay before it."""
    with bench.stage(SIZES["small"], with_plans=True) as stage:
        assert stage.relay is not None
        yield stage, stage.relay


def plans_of(relay: Relay, act: Act) -> list[QueryPlan]:
    """The plans that Postgres tells of what is done over a connection."""
    with psycopg.connect(relay.url, autocommit=True) as connection:
        act(connection)
    return [read_plan(one) for one in relay.plans]


def sent(*texts: str) -> Act:
    """Send texts, one by one."""
    return lambda connection: [connection.execute(text.encode()) for text in texts]


def by_cursor(connection: psycopg.Connection[tuple[object, ...]]) -> object:
    """Read rows bit by bit."""
    with connection.transaction(), connection.cursor("bit") as cursor:
        return cursor.execute("select id from products where id < 9").fetchmany(100)


def in_bulk(connection: psycopg.Connection[tuple[object, ...]]) -> object:
    """Read rows by COPY."""
    with connection.cursor().copy("copy (select id from products where id < 9) to stdout") as rows:
        return list(rows)


FUNCTION = "create function f() returns bigint language sql begin atomic {}; end"
READ = "select id from products where id < 9"


@pytest.mark.parametrize(
    "act",
    [
        sent(READ),
        sent("set client_min_messages = error", READ),
        sent(f"{READ} for update"),
        sent(f"/* a /b */ -- and\n ({READ})"),
        sent("with a as (update products set name = name where id < 9 returning id) select id from a"),
        lambda connection: connection.execute("select id from products where id < %s", (9,)),
        sent(f"prepare p as {READ}", "execute p"),
        sent(FUNCTION.format("select count(*) from products where id < 9"), "select f()"),
        sent("do $$ begin perform id from products where id < 9; end $$"),
        by_cursor,
        in_bulk,
        sent(f"select 1; {READ}"),
        sent(f"create view public.pg_page as {READ}", "select * from pg_page"),
    ],
    ids=[
        "a select",
        "with no wish for messages",
        "locks",
        "comments",
        "writes",
        "parameters",
        "a prepared statement",
        "a function",
        "a block",
        "a cursor",
        "a copy",
        "the second of a text",
        "a view",
    ],
)
def test_whatever_reads_rows_has_a_plan(explained: tuple[Stage, Relay], act: Act) -> None:
    plans = plans_of(explained[1], act)

    assert max(plan.rows_examined("products") for plan in plans) >= 8


def test_the_plan_is_that_of_what_ran_in_the_session_of_the_candidate(explained: tuple[Stage, Relay]) -> None:
    stage, relay = explained
    with psycopg.connect(stage.url, autocommit=True) as connection:
        connection.execute("alter table products enable row level security")
        connection.execute("alter table products force row level security")
        connection.execute("create policy p on products using (current_setting('my.rows', true) = 'all')")

    plans = plans_of(relay, sent("set my.rows = 'all'", "select count(*) from products"))

    assert plans[-1].rows_examined("products") == SIZES["small"]


def test_a_candidate_cannot_have_its_plans_withheld(explained: tuple[Stage, Relay]) -> None:
    stage, relay = explained
    with psycopg.connect(stage.url, autocommit=True) as connection:
        for name in SETTINGS:
            for statement in (f"set {name} = ''", f"alter role current_user set {name} = ''"):
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    connection.execute(statement.encode())
        connection.execute("alter role current_user reset all")

    assert plans_of(relay, sent(READ))


def test_a_client_gets_every_message_but_the_plans(explained: tuple[Stage, Relay]) -> None:
    told: list[str | None] = []
    with psycopg.connect(explained[1].url, autocommit=True) as connection:
        connection.add_notice_handler(lambda notice: told.append(notice.message_primary))
        connection.execute("do $$ begin perform 1; raise info 'duration: 0 ms'; raise notice 'n'; end $$")
        rows = connection.execute("select repeat('x', 100000) from products").fetchall()

    assert told == ["duration: 0 ms", "n"]
    assert {len(text) for (text,) in rows} == {100_000}


def test_the_text_of_a_page_does_not_make_it_a_count(explained: tuple[Stage, Relay]) -> None:
    dressed = "select id, 'count(' from products limit 1"

    plans = plans_of(explained[1], sent(dressed, "select count(*) from products"))

    assert [plan.is_a_count() for plan in plans] == [False, True]


def test_nothing_is_copied_into_another_database_of_redis(stage: Stage) -> None:
    with redis.Redis.from_url(stage.redis_url) as client:
        client.set("planted", "x")
        with pytest.raises(redis.exceptions.NoPermissionError):
            client.execute_command("COPY", "planted", "planted", "DB", "9")
