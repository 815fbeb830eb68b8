"""What only the reference promises of freshness: no page outlives a write, whatever happens to Redis."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import redis

from evaluation.serving.workbench import Stage, Workbench
from evaluation.tests.served import REFERENCE, Served, holding, printed_by, served
from tests.faulty_redis import FaultyRedis
from tests.observing import until

STAMP = "catalog:stamp"
UNTOLD = ("stamp.py", "await self.notices.tell()", "None")
SLOW_TO_RETRY = ("config.py", "REDIS_RETRY_S = 1.0", "REDIS_RETRY_S = 30.0")
FAILING_AFTER_COMMIT = ("crud.py", "db.commit()\n    return product", "db.commit()\n    raise ValueError")
WRITES, HOUR_S, MINUTE_S = 8, 3600, 61


@pytest.fixture(scope="module")
def reader(stage: Stage) -> Iterator[Served]:
    """The reference, beside which others write."""
    with served(stage, REFERENCE) as reader:
        yield reader


@contextmanager
def written_while_redis_is_away(folder: Path, reader: Served, path: str, name: str) -> Iterator[Served]:
    """The writer of the first name on a page that the reader keeps; its Redis is back, and knows nothing."""
    with FaultyRedis(reader.stage.redis_url) as relay, served(reader.stage, folder, relay.url) as writer:
        product = reader.first(path)["id"]
        relay.go_away()
        writer.rename(product, name)
        assert reader.first(path)["name"] != name, "the reader was told at once"
        relay.come_back()
        yield writer


def test_a_write_that_redis_did_not_hear_of_is_told_in_the_background(
    reader: Served, variant: Callable[..., Path]
) -> None:
    path = "/products?limit=1&category_id=1"

    with written_while_redis_is_away(variant(UNTOLD), reader, path, "told later"):
        assert until(lambda: reader.first(path)["name"] == "told later")


def test_pages_of_a_redis_that_is_back_with_an_old_snapshot_are_not_believed(
    bench: Workbench, stage: Stage, reader: Served
) -> None:
    path = "/products?limit=1&category_id=5"
    with served(stage, REFERENCE) as writer, redis.Redis.from_url(stage.redis_url) as client:
        product = reader.first(path)["id"]
        reader.first(path)
        snapshot = {key: (client.pttl(key), client.dump(key)) for key in client.keys("*")}
        writer.rename(product, "written after the snapshot")
        for key, (left_ms, value) in snapshot.items():
            client.restore(key, max(left_ms, 0), value, replace=True)
        with redis.Redis.from_url(bench.services.redis_url) as administrator:
            administrator.execute_command("CLIENT", "KILL", "USER", stage.role)

        assert reader.first(path)["name"] == "written after the snapshot"


def test_a_write_that_redis_did_not_hear_of_is_told_at_shutdown(
    reader: Served, variant: Callable[..., Path]
) -> None:
    path = "/products?limit=1&category_id=2"

    with written_while_redis_is_away(variant(UNTOLD, SLOW_TO_RETRY), reader, path, "told at last") as writer:
        writer.server.stop()

        assert reader.first(path)["name"] == "told at last"


def test_a_write_is_seen_by_another_process_though_redis_hung_up_before(
    reader: Served, variant: Callable[..., Path]
) -> None:
    path = "/products?limit=1&category_id=3"
    product = reader.first(path)["id"]
    shown = []
    with (
        FaultyRedis(reader.stage.redis_url) as relay,
        served(reader.stage, variant(UNTOLD), relay.url) as writer,
    ):
        for number in range(WRITES):
            relay.cut()
            writer.rename(product, f"write {number}")
            shown.append(reader.first(path)["name"])

    assert shown == [f"write {number}" for number in range(WRITES)]


def test_a_write_that_fails_after_its_commit_makes_pages_out_of_date(
    stage: Stage, variant: Callable[..., Path]
) -> None:
    path = "/products?limit=1&category_id=4"
    with served(stage, variant(FAILING_AFTER_COMMIT)) as catalog:
        product = catalog.first(path)["id"]

        answer = catalog.http.put(f"/products/{product}", json={"name": "committed"})

        assert answer.status_code == 500
        assert catalog.first(path)["name"] == "committed"


def put_a_list(client: redis.Redis) -> None:
    client.delete(STAMP)
    client.rpush(STAMP, "not ours")


def put_the_last_of_all_times(client: redis.Redis) -> None:
    client.set(STAMP, b"\xff" * 16)


@pytest.mark.parametrize("put_a_foreign_stamp", [put_a_list, put_the_last_of_all_times])
def test_a_foreign_stamp_in_redis_heals(
    reader: Served, put_a_foreign_stamp: Callable[[redis.Redis], None]
) -> None:
    path = "/products?limit=1&category_id=5"
    name = put_a_foreign_stamp.__name__
    product = reader.first(path)["id"]
    with redis.Redis.from_url(reader.stage.redis_url) as client:
        put_a_foreign_stamp(client)
        assert reader.first(path)["id"] == product
        put_a_foreign_stamp(client)

    reader.rename(product, name)

    assert reader.first(path)["name"] == name
    before = reader.server.ask("count")["count"]
    assert reader.first(path)["name"] == name
    assert reader.server.ask("count")["count"] == before


def test_a_clock_that_is_set_back_does_not_prolong_the_life_of_a_page(stage: Stage) -> None:
    path = "/products?limit=1&category_id=6"
    with served(stage, REFERENCE) as catalog:
        product = catalog.first(path)["id"]
        catalog.sql(f"update products set name = 'behind the API' where id = {product}")
        for seconds in (-HOUR_S, MINUTE_S):
            catalog.server.ask("advance", seconds=seconds)

        assert catalog.first(path)["name"] == "behind the API"


def test_the_claim_of_a_killed_process_holds_up_others_for_less_than_a_second(
    reader: Served,
) -> None:
    path = "/products?limit=1&category_id=7"
    with ThreadPoolExecutor() as pool, served(reader.stage, REFERENCE) as killed:
        with holding(reader.stage, "lock table products in access exclusive mode") as waiting:
            asked = pool.submit(killed.http.get, path)
            assert until(waiting)
            killed.server.process.kill()
            with pytest.raises(httpx.TransportError):
                asked.result()
        started = time.monotonic()

        reader.json(path)

        assert time.monotonic() - started < 1


def test_a_claim_that_never_ends_holds_up_nobody(reader: Served) -> None:
    with redis.Redis.from_url(reader.stage.redis_url) as client:
        reader.json("/products?limit=1&category_id=8")
        client.set(f"catalog:claim:{client.get(STAMP).hex()}:8:True:2:0", b"")
        started = time.monotonic()

        reader.json("/products?limit=2&category_id=8")

        assert time.monotonic() - started < 1


def test_a_total_that_redis_keeps_too_long_is_counted_anew(reader: Served) -> None:
    first, second = (f"/products?limit={limit}&category_id=9" for limit in (1, 2))
    before = reader.json(first)["total"]
    with redis.Redis.from_url(reader.stage.redis_url) as client:
        assert client.persist("catalog:total:9:True")
        copy = "(name, description, price, category_id, is_active)"
        reader.sql(f"insert into products {copy} select {copy[1:-1]} from products where category_id = 9")
        assert reader.json(second)["total"] == before
        reader.server.ask("advance", seconds=MINUTE_S)

        assert reader.json(second)["total"] > before
        assert client.ttl("catalog:total:9:True") > 0


TWO_NOTICES = """
import asyncio
from repository_after.notices import Notices

async def main():
    heard = []
    notices = Notices(lambda: heard.append(None))
    await notices.open()
    first = asyncio.create_task(notices.tell())
    for _ in range(3):
        await asyncio.sleep(0)  # The first notice is on its way.
    await asyncio.gather(first, notices.tell())
    for _ in range(100):
        await asyncio.sleep(0.02 if len(heard) < 2 else 0)
    await notices.close()
    print(len(heard))

asyncio.run(main())
"""


def test_a_write_is_told_while_another_one_is(stage: Stage) -> None:
    assert printed_by(TWO_NOTICES, stage).split() == ["2"]


A_MOVE_WITHIN_A_MOVE = """
import asyncio
from repository_after.cache import listings

async def main():
    stamp = listings.stamp
    moving = asyncio.create_task(stamp.move())
    await asyncio.sleep(0)  # Redis is being told.
    stamp.schedule_move()
    await moving
    print(stamp.is_move_due)
    await listings.close()
    print(stamp.is_move_due)

asyncio.run(main())
"""


def test_what_becomes_due_while_redis_is_told_of_a_write_stays_due(stage: Stage) -> None:
    assert printed_by(A_MOVE_WITHIN_A_MOVE, stage).split() == ["True", "False"]
