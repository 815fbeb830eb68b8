"""Listings are kept between requests, for a minute and no longer, each for itself: R08.1 to R08.5, R08.14."""

import itertools
import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest
import redis

from evaluation.database.counters import is_about_the_connection
from evaluation.serving.workbench import Workbench
from tests.audit.bodies import relative
from tests.audit.tables import LIFETIME_S
from tests.conftest import EMPTY_CATEGORY, HOST, Subject, holding_table, subject_on
from tests.kept_in_redis import is_content, kept_longer_bytes, lifetimes_s, programs_bytes
from tests.observing import until
from tests.passing_time import pass_time
from tests.test_long_lives import WEEK_S
from tests.walking import pages

MANY = 500
MORE = (
    "insert into products (name, description, price, category_id) "
    "select 'n', '', 1, %s from generate_series(1, 1000)"
)
LOADS, TIMES, HITS = 12, 6, 300
SLOW_LOAD_S, ARRIVED_S, LOADED_S = 3.0, 1.0, 30.0


QUERIES = [
    "limit=3",
    "limit=3&category_id=9",
    "limit=3&is_active=false",
    "limit=2&category_id=9&is_active=false",
    "limit=100&category_id=9&is_active=false",
    f"limit=3&category_id={EMPTY_CATEGORY}",
    "limit=3&category_id=1234567",
]
"""The last has never had a product; the one before it may have had some a moment ago."""


@pytest.mark.criterion("R08.1")
@pytest.mark.parametrize("query", QUERIES)
def test_the_same_listing_asked_twice_touches_postgres_once(shared: Subject, query: str) -> None:
    paths = [f"/products?{query}"]
    paths += [link for link in [shared.json(paths[0])["next"]] if link]
    for path in paths:
        first = shared.json(path)

        with shared.observer.counted() as spent:
            second = shared.json(path)

        assert second == first
        assert spent.total == 0, spent.explain()
        assert not spent.sent, spent.explain()
    assert_asks_nothing(shared, paths[0])


def assert_asks_nothing(subject: Subject, path: str) -> None:
    """What reads the system's tables alone is not counted, but does not come with every request either."""
    relay = subject.observer.relay
    passed = len(relay.log)
    for _ in range(TIMES):
        subject.json(path)
    relay.settle()
    asked = [one for one in relay.log[passed:] if not is_about_the_connection(one)]
    assert len(asked) < TIMES, f"asked {TIMES} times for {path}, it sent {asked}"


@pytest.mark.criterion("R08.2")
def test_everything_kept_in_redis_has_a_lifetime_of_a_minute_at_most(own: Subject, bench: Workbench) -> None:
    with (
        redis.Redis.from_url(own.stage.redis_url) as client,
        redis.Redis.from_url(bench.services.redis_url) as admin,
    ):
        before, programs_before_bytes = set(client.keys("*")), programs_bytes(admin)
        sent_bytes = 0
        for path in ("/products?limit=4", "/products?limit=4&category_id=3", "/products?limit=40"):
            sent_bytes += [own.get(path), own.get(path)][-1].num_bytes_downloaded

        def kept() -> list[bytes]:
            return [key for key in set(client.keys("*")) - before if is_content(client, key)]

        def lifetimes_of_content() -> dict[bytes, float]:
            return {name: left for key in kept() for name, left in lifetimes_s(client, key).items()}

        until(lambda: len(lifetimes_of_content()) >= 2, deadline_s=2)
        lifetimes = lifetimes_of_content()
        longer_bytes = kept_longer_bytes(client, set(client.keys("*")) - before)
        longer_bytes += programs_bytes(admin) - programs_before_bytes

    assert len(lifetimes) >= 2, f"listings in Redis: {lifetimes}"
    assert all(0 < left <= LIFETIME_S for left in lifetimes.values()), lifetimes
    # Content in small pieces is content.
    told = f"{longer_bytes} bytes live longer than a minute, the listings are {sent_bytes} bytes as sent"
    assert longer_bytes < sent_bytes / 2, told


@pytest.mark.criterion("R08.3")
def test_a_listing_is_never_older_than_its_minute(own: Subject) -> None:
    def outlives_its_minute(path: str, wait: Callable[[float], None], loads: int) -> bool:
        # What has been the same for long may change all the same.
        for _ in range(loads):
            product = [own.json(path), own.json(path)][-1]["items"][0]["id"]
            wait(LIFETIME_S + 1)
        own.json(path)
        own.sql("update products set name = name || '!' where id = %s", product)
        [[name]] = own.sql("select name from products where id = %s", product)
        # Asking again does not make it last longer, and neither does another process that asks late.
        for seconds in (40, LIFETIME_S + 1 - 40):
            wait(seconds)
            shown = {subject.json(path)["items"][0]["name"] for subject in (own, other)}
        return shown != {name}

    with subject_on(own.stage, own.server.directory) as other:
        moved = partial(pass_time, [own, other])
        # A candidate may take its time from a clock that cannot be moved: it gets a real minute.
        one, other_one, third = (f"/products?limit=1&category_id={number}" for number in (2, 3, 4))
        if outlives_its_minute(one, moved, 1):
            assert not outlives_its_minute(other_one, time.sleep, 1), "after a minute it is still old"
        else:
            # Nor is it in a process that has worked for long.
            moved(WEEK_S)
            for _ in range(HITS):
                own.get(third)
            assert not outlives_its_minute(third, moved, LOADS), f"old after {LOADS} loads"


@pytest.mark.criterion("R08.4")
def test_listings_are_kept_for_their_whole_minute(own: Subject) -> None:
    queries = [
        "limit=2",
        "limit=40",
        "limit=7&is_active=false",
        "limit=9&category_id=9",
        "limit=5&category_id=42",
    ]

    def read(subject: Subject, path: str) -> Any:
        return subject.get(path, host=HOST).json()

    paths = [f"/products?{query}" for query in queries]
    with subject_on(own.stage, own.server.directory) as other:
        paths.append(relative(read(own, "/products?limit=1")["next"]))
        # What is kept takes the place of what was kept before a write, and before another minute.
        for path in paths:
            read(own, path)
        own.http.put("/products/1", json={"name": "Changed"}).raise_for_status()
        pass_time([own, other], LIFETIME_S + 1)
        for filters in ("", "&is_active=false", "&category_id=9", "&category_id=42"):
            read(own, f"/products?limit=3{filters}")
        pass_time([own, other], 25)  # pages may be made with a total that was counted for another page
        began_s = time.monotonic()
        stale = {path: [read(own, path), read(own, path)][-1] for path in paths}
        own.sql("update products set name = name || ' renamed'")
        own.sql(
            "insert into products (name, description, price, category_id) values ('First', '', 1, %s)",
            EMPTY_CATEGORY,
        )
        # On a busy machine all this takes time, and so do the questions that follow.
        pass_time([own, other], 47 - (time.monotonic() - began_s))

        for subject, path in itertools.product((own, other), paths):
            with subject.observer.counted() as spent:
                kept = read(subject, path)

            assert spent.total == 0 or kept == stale[path], f"{path} within 50 s: {spent.explain()}"


@pytest.mark.criterion("R08.4")
def test_listings_are_kept_when_another_process_starts_and_stops(own: Subject) -> None:
    paths = ["/products?limit=6", "/products?limit=6&category_id=9"]

    def check_kept(event: str) -> None:
        for path in paths:
            with own.observer.counted() as spent:
                own.json(path)

            assert spent.total == 0, f"{path} after another process has {event}: {spent.explain()}"

    for path in [*paths, *paths]:
        own.json(path)
    with subject_on(own.stage, own.server.directory) as other:
        check_kept("started")
        for path in [*paths, *paths]:
            other.json(path)
        other.server.process.stop()
    check_kept("stopped")


@pytest.mark.criterion("R08.4")
def test_listings_are_kept_while_many_others_are_loaded(shared: Subject, second_server: Subject) -> None:
    path = "/products?limit=46&category_id=11"
    others = [f"/products?limit=45&category_id={number}" for number in range(1, 41)]

    def check_kept() -> None:
        for subject in (shared, second_server):
            with subject.observer.counted() as spent:
                subject.json(path)

            assert spent.total == 0, spent.explain()

    shared.json(path)
    check_kept()
    assert shared.get_all(others, LOADED_S).outcomes == {"200": len(others)}
    check_kept()


@pytest.mark.criterion("R08.5")
def test_different_listings_are_never_mistaken_for_each_other(shared: Subject) -> None:
    expected: dict[str, list[int]] = {}
    for limit, category, active in itertools.product((12, 1, 2, 11), (None, 5, 6), (True, False)):
        where = f"is_active = {active}" + (f" and category_id = {category}" if category else "")
        ids = [row[0] for row in shared.sql(f"select id from products where {where} order by id")]
        query = f"is_active={str(active).lower()}" + (f"&category_id={category}" if category else "")
        # Far enough for pages of one limit to have the first ids of pages of another.
        depth = 25 if limit == 1 and category is None and active else 2 if limit > 2 else 3
        for number, page in enumerate(
            itertools.islice(pages(shared, f"/products?limit={limit}&{query}"), depth)
        ):
            assert [item["id"] for item in page["items"]] == ids[number * limit :][:limit], f"{limit} {query}"
            if page["next"]:
                expected[page["next"]] = ids[(number + 1) * limit :][:limit]

    # Alike for longer than anybody looks who knows queries by their beginning.
    for limit, _ in itertools.product((3, 4), range(3)):
        long = f"/products?campaign={'x' * 300}&limit={limit}&category_id=5"
        assert len(shared.json(long)["items"]) == limit, long
    # Alike once they are decoded.
    for limit, query in [(20, "x=1%26limit=7&category_id=6"), (7, "x=1&limit=7&category_id=6")] * 2:
        assert len(shared.json(f"/products?{query}")["items"]) == limit, query
    # Parameters in capitals are unknown ones.
    for spelled, number in (("LIMIT", 20), ("limit", 8), ("Limit", 20)) * 2:
        assert len(shared.json(f"/products?{spelled}=8&category_id=7")["items"]) == number, spelled
    for path, ids in expected.items():
        assert [item["id"] for item in shared.json(path)["items"]] == ids, path
    at_once = shared.get_all([f"/products?limit={n}&category_id=13" for n in range(1, 13)], 15)
    assert sorted(len(json.loads(body)["items"]) for body in at_once.bodies()) == [*range(1, 13)]


@pytest.mark.criterion("R08.5")
def test_numbers_that_share_their_lowest_bits_are_different_numbers(own: Subject) -> None:
    powers = [2**bits for bits in range(6, 31)]
    category, first = 7, 3_500_001
    ids = sorted(first + other + power for power in (0, *powers) for other in (0, 1))
    own.sql(
        "insert into products (id, name, description, price, category_id) "
        "select one, 'Number ' || one, '', 1, %s from unnest(%s::int[]) one",
        EMPTY_CATEGORY,
        ids,
    )

    assert own.json(f"/products?limit=2&category_id={category}")["items"]
    others = [category + power for power in powers]
    shown = {other: own.json(f"/products?limit=2&category_id={other}")["items"] for other in others}
    assert not [other for other, items in shown.items() if items], "a category that is not there has products"
    walk = pages(own, f"/products?limit=1&category_id={EMPTY_CATEGORY}")
    assert [item["id"] for page in walk for item in page["items"]] == ids
    names = {number: own.json(f"/products/{number}")["name"] for number in ids}
    assert names == {number: f"Number {number}" for number in ids}


@pytest.mark.criterion("R08.3")
def test_a_listing_that_loads_slowly_is_no_older_than_its_minute(own: Subject) -> None:
    path = "/products?limit=2&category_id=11"
    product = [own.json(path), own.json(path)][-1]["items"][0]["id"]
    own.sql("update products set name = 'Newer' where id = %s", product)
    pass_time([own], LIFETIME_S + 1)
    own.audit.may_fail = True
    others = [f"/products?limit={1 + n // 41}&category_id={1 + n % 41}&is_active=false" for n in range(60)]
    with ThreadPoolExecutor(2) as executor:
        with holding_table(own) as waiting:
            # Not even where many wait may somebody get what is too old.
            executor.submit(own.burst, others, LOADED_S)
            until(waiting)
            time.sleep(ARRIVED_S)
            asked = executor.submit(own.get, path)
            time.sleep(SLOW_LOAD_S)
        answer = asked.result()

    assert answer.status_code >= 500 or answer.json()["items"][0]["name"] == "Newer"


@pytest.mark.criterion("R08.14")
def test_the_minute_of_a_listing_begins_before_its_rows_are_read(own: Subject) -> None:
    def outlives_its_minute(category: int, wait: Callable[[float], None]) -> bool:
        path, name = f"/products?limit=1&category_id={category}", f"Changed meanwhile in {category}"
        first = "select min(id) from products where is_active and category_id = %s"
        with ThreadPoolExecutor(1) as executor:
            with holding_table(own, "reviews") as waiting:
                asked = executor.submit(own.json, path)
                until(lambda: waiting() or asked.done())
                own.sql(f"update products set name = '{name}' where id = ({first})", category)
                own.sql(MORE, category)
                changed_s = time.monotonic()
                time.sleep(SLOW_LOAD_S)
            asked.result()
        wait(LIFETIME_S + 1 - (time.monotonic() - changed_s))
        own.sql("analyze products")  # as autovacuum would: the total may be an estimate
        page, other = own.json(path), own.json(f"/products?limit=2&category_id={category}")
        return bool(page["items"][0]["name"] != name or other["total"] < MANY)

    if outlives_its_minute(17, lambda seconds: pass_time([own], seconds)):
        # A candidate may take its time from a clock that cannot be moved: it gets a real minute.
        assert not outlives_its_minute(18, time.sleep), (
            "what changed during a load is not shown a minute later"
        )
