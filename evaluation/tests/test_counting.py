"""Statements are counted on the wire and in Postgres, by one rule, whatever they are wrapped in."""

import asyncio
import socket
from collections.abc import Callable, Iterator
from contextlib import closing
from urllib.parse import urlsplit

import asyncpg
import psycopg
import pytest
import redis

from evaluation.database.dataset import SIZES
from evaluation.database.plans import read_plan
from evaluation.measure.meter import Meter
from evaluation.serving.relay import Relay
from evaluation.serving.wire import ENCRYPTION_REQUESTS, Messages, PostgresWire, RedisWire
from evaluation.serving.workbench import Stage, Workbench

FUNCTION = """
create or replace function looped(times integer) returns integer language plpgsql as
$$ begin for i in 1..times loop perform count(*) from categories where id = i; end loop; return 1; end $$
"""
SEVERAL = "select id from products limit 1; select id from users limit 1"

Connection = psycopg.Connection[tuple[object, ...]]
Act = Callable[[Connection], object]


@pytest.fixture(scope="module")
def meter(stage: Stage) -> Iterator[Meter]:
    with (
        Relay(stage.url, PostgresWire) as postgres,
        Relay(stage.redis_url, RedisWire) as cache,
        closing(stage.counters()) as counters,
    ):
        yield Meter(postgres, cache, counters)


def sent(text: str) -> Act:
    """Send a text as it is."""
    return lambda connection: connection.execute(text.encode())


def copied(text: str) -> Act:
    """Send a COPY, and read what it gives."""

    def act(connection: Connection) -> object:
        with connection.cursor() as cursor, cursor.copy(text.encode()) as copy:
            return list(copy)

    return act


def failing(text: str) -> Act:
    """Send a statement that fails, with a parameter, so that it is prepared first."""

    def act(connection: Connection) -> None:
        with pytest.raises(psycopg.Error):
            connection.execute(text.encode(), (1,))

    return act


def read_by_cursor(connection: Connection) -> object:
    """Read rows bit by bit: one DECLARE, three FETCH, one CLOSE."""
    with connection.transaction(), connection.cursor("bit") as cursor:
        cursor.itersize = 1000
        return cursor.execute("select id from users limit 1500").fetchmany(1000) + cursor.fetchall()


def written_in_bulk(connection: Connection) -> None:
    """Send one statement with twenty rows of parameters."""
    with connection.cursor() as cursor:
        cursor.executemany("update users set name = name where id = %s", [(n,) for n in range(20)])


@pytest.mark.parametrize(
    ("act", "on_the_wire", "in_postgres"),
    [
        (sent("select id from products limit 1"), 1, 1),
        (sent("begin; select id from products limit 1; commit"), 1, 1),
        (sent("set statement_timeout = 0; show jit"), 0, 0),
        (sent("select 1"), 0, 0),
        (sent("listen c; notify c; unlisten c"), 0, 0),
        (sent("select pg_notify('c', 'a word')"), 0, 0),
        (sent("select typname from pg_type where oid = 23"), 0, 0),
        (sent(SEVERAL), 2, 2),
        (sent(f"select ';' from products limit 1; {SEVERAL}"), 3, 3),
        (copied("copy (select id from products) to stdout"), 1, 1),
        (copied("copy categories to stdout"), 1, 1),
        (failing("select nothing from products where id = %s"), 1, 0),
        (failing("select 1 / (id - id) from products where id = %s"), 1, 0),
        (sent("do $$ begin perform count(*) from users; perform count(*) from products; end $$"), 1, 3),
        (sent("select looped(10)"), 1, 11),
        (sent("explain select id from products"), 1, 1),
        (read_by_cursor, 3, 3),
        (written_in_bulk, 20, 20),
    ],
    ids=[
        "a select",
        "a transaction",
        "settings",
        "a ping",
        "messages",
        "a message by a function",
        "types",
        "several in a text",
        "several in a text with quotes",
        "copy of a query",
        "copy of a table",
        "one that cannot be prepared",
        "one that fails",
        "a block",
        "a function",
        "a plan",
        "a cursor",
        "many rows",
    ],
)
def test_statements_are_counted_in_both_places(
    meter: Meter, act: Act, on_the_wire: int, in_postgres: int
) -> None:
    with psycopg.connect(meter.postgres.url, autocommit=True) as connection:
        connection.execute(FUNCTION)
        mark = meter.mark()
        act(connection)
        spent = meter.since(mark)

    assert (spent.wire, spent.server) == (on_the_wire, in_postgres)


def test_the_statements_of_asyncpg_are_counted_without_what_it_asks_for_itself(meter: Meter) -> None:
    async def scene() -> None:
        connection = await asyncpg.connect(meter.postgres.url)
        await connection.fetch("select id from products where id = any($1::int[])", [1, 2])
        await connection.executemany("update users set name = name where id = $1", [(n,) for n in range(7)])
        async with connection.transaction():
            assert len([row async for row in connection.cursor("select id from products")]) == 2000
        await connection.reset()
        await connection.close()

    mark = meter.mark()
    asyncio.run(scene())
    spent = meter.since(mark)

    assert (spent.wire, spent.server) == (9, 9)
    assert spent.session > 0


async def counted_bit_by_bit(url: str) -> None:
    """Read one row of a cursor, and roll back."""
    connection = await asyncpg.connect(url)
    for _ in range(2):
        transaction = connection.transaction()
        await transaction.start()
        cursor = await connection.cursor("select count(*) from products union all select 1")
        assert await cursor.fetchrow() == (2000,)
        await transaction.rollback()
    await connection.close()


def declared(url: str) -> None:
    """The same with a cursor in SQL."""
    with psycopg.connect(url) as connection:
        for _ in range(2):
            connection.execute('declare "C d" cursor for select count(*) from products union all select 1')
            assert connection.execute('fetch from "C d"').fetchone() == (2000,)
            connection.rollback()


@pytest.mark.parametrize("is_declared", [False, True])
def test_the_plan_of_a_cursor_is_told_though_it_is_rolled_back(bench: Workbench, is_declared: bool) -> None:
    with bench.stage(SIZES["small"], with_plans=True) as stage:
        assert stage.relay is not None
        if is_declared:
            declared(stage.relay.url)
        else:
            asyncio.run(counted_bit_by_bit(stage.relay.url))
        stage.relay.settle()

        read = [read_plan(plan).rows_examined("products") for plan in stage.relay.plans]
    assert read.count(2000) == 2


def test_a_cursor_is_read_on_after_a_rollback_to_a_savepoint(meter: Meter) -> None:
    async def scene() -> None:
        connection = await asyncpg.connect(meter.postgres.url)
        async with connection.transaction():
            cursor = await connection.cursor("select id from products order by id")
            first = await cursor.fetchrow()
            inner = connection.transaction()
            await inner.start()
            await inner.rollback()
            assert (first, await cursor.fetchrow()) == ((1,), (2,))
        await connection.close()

    asyncio.run(scene())


def test_a_statement_that_goes_past_the_relay_is_counted_by_postgres_alone(
    stage: Stage, meter: Meter
) -> None:
    mark = meter.mark()
    with psycopg.connect(stage.url) as connection:
        connection.execute("select id from products limit 1")
    spent = meter.since(mark)

    assert (spent.wire, spent.server) == (0, 1)


@pytest.mark.parametrize("prepared", [False, True])
def test_the_relay_knows_which_statements_failed(meter: Meter, prepared: bool) -> None:
    before = len(meter.postgres.failures)
    with psycopg.connect(meter.postgres.url, autocommit=True) as connection:
        connection.execute("select id from products limit 1", prepare=prepared)
        with pytest.raises(psycopg.errors.InvalidTextRepresentation):
            connection.execute("select ('total=' || count(*))::int from products", prepare=prepared)
        meter.postgres.settle()

    assert meter.postgres.failures[before:] == ["select ('total=' || count(*))::int from products"]


def test_the_relay_knows_which_connections_are_open_and_busy(meter: Meter) -> None:
    with psycopg.connect(meter.postgres.url, sslmode="prefer") as connection:
        connection.execute("select id from products limit 1")
        in_transaction = (len(meter.postgres.open), meter.postgres.busy())
        connection.commit()
        meter.postgres.settle()
        idle = (len(meter.postgres.open), meter.postgres.busy())

    assert (in_transaction, idle) == ((1, 1), (1, 0))


@pytest.mark.parametrize("request_to_encrypt", ENCRYPTION_REQUESTS)
def test_encryption_is_refused_whatever_the_server_says(request_to_encrypt: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with Relay(f"postgresql://user:word@127.0.0.1:{port}/database", PostgresWire) as relay:
            place = urlsplit(relay.url)
            with socket.create_connection((place.hostname, place.port), 10) as client:
                client.sendall(request_to_encrypt)
                assert client.recv(1) == b"N"


def test_commands_to_redis_are_counted(meter: Meter) -> None:
    mark = meter.mark()
    with redis.Redis.from_url(meter.redis.url) as client:
        client.set("key", b"\r\n*1\r\n$4\r\nPING\r\n" * 10_000)
        with client.pipeline(transaction=False) as pipeline:
            pipeline.get("key").delete("key").execute()

    assert meter.since(mark).commands == 3
    assert meter.redis.log[-3:] == ["SET", "GET", "DEL"]


def test_a_service_that_accepts_no_connection_is_not_hidden_by_the_relay() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with Relay(f"redis://user:word@127.0.0.1:{port}/1", RedisWire) as relay:
        client = redis.Redis.from_url(relay.url, retry=None)
        with pytest.raises(redis.ConnectionError):
            client.ping()
        client.close()


@pytest.mark.parametrize("size", [1, 2, 5, 7, 64])
def test_messages_are_found_however_the_stream_is_cut(size: int) -> None:
    stream = b"".join(
        kind + (len(body) + 4).to_bytes(4) + body
        for kind, body in [(b"D", b"x" * 50), (b"C", b"SELECT 1\0"), (b"D", b""), (b"Z", b"I")]
    )
    messages = Messages(b"CZ")

    found = [one for at in range(0, len(stream), size) for one in messages.feed(stream[at : at + size])]

    assert [(kind, body) for kind, body, _ in found if kind] == [("C", b"SELECT 1\0"), ("Z", b"I")]
    assert b"".join(sent for *_, sent in found) == stream
