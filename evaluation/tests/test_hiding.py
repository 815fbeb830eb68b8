"""Ways to hide work in the database are found: what counts, what is planned, and what must not be there."""

from collections.abc import Iterator
from contextlib import closing

import psycopg
import pytest
import redis

from evaluation.database.dataset import SIZES
from evaluation.database.hiding import means_to_hide
from evaluation.database.plans import explain
from evaluation.serving.workbench import Stage, open_workbench

HIDDEN = """
create function seek() returns int language plpgsql as $$begin
perform 1 FROM ONLY "public"."products" x WHERE "id" OPERATOR(pg_catalog.=) 7; return 1;
end$$
"""
"""A function that reads products in the shape of what Postgres runs for a foreign key."""


@pytest.fixture
def stage() -> Iterator[Stage]:
    with open_workbench() as bench, bench.stage(SIZES["small"]) as stage:
        yield stage


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        ("alter table products enable row level security", "row security on products"),
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


@pytest.mark.parametrize(
    "sql",
    [
        "select id from products where id < 9 for update",
        "/* a /b */ -- and\n (select id from products where id < 9)",
        "with one as (update products set name = name where id < 9 returning id) select id from one",
    ],
    ids=["locks", "comments", "writes"],
)
def test_a_statement_that_locks_or_is_dressed_up_has_a_plan(stage: Stage, sql: str) -> None:
    plan = explain(stage.url, {"sql": sql, "style": "pyformat", "parameters": {}})

    assert plan is not None
    assert plan.rows == 8
    assert not plan.is_a_count()


def test_the_text_of_a_page_does_not_make_it_a_count(stage: Stage) -> None:
    dressed = {"sql": "select id, 'count(' from products limit 1", "style": "pyformat", "parameters": {}}
    honest = {**dressed, "sql": "select count(*) from products"}

    plans = explain(stage.url, dressed), explain(stage.url, honest)

    assert [plan and plan.is_a_count() for plan in plans] == [False, True]


def test_nothing_is_copied_into_another_database_of_redis(stage: Stage) -> None:
    with redis.Redis.from_url(stage.redis_url) as client:
        client.set("planted", "x")
        with pytest.raises(redis.exceptions.NoPermissionError):
            client.execute_command("COPY", "planted", "planted", "DB", "9")
