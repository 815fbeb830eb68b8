"""The API answers while Redis refuses, is silent or holds garbage, and keeps no failure: R08.7 to R08.12."""

import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis

from evaluation.database.dataset import SIZES
from evaluation.database.expected import wrong_total
from evaluation.serving.logins import RIGHTS
from evaluation.serving.workbench import Stage, Workbench
from tests.conftest import EMPTY_CATEGORY, Subject, holding_table, subject_on
from tests.faulty_redis import FaultyRedis, refusing_url
from tests.kept_in_redis import BOOKKEEPING_BYTES
from tests.observing import until

HEAD_BYTES = 64
AWAY_S, LONG_AWAY_S, VERY_LONG_AWAY_S, BACK_S = 0.5, 1.5, 4.5, 5.0
TIMES = count(1)
WRITTEN_BEFORE = 6
SOON_S, TRIES = 2.0, 3
OF_KILLED, KILLED_S = "/products?limit=9&category_id=7", 10.0
WRITES_AGAIN = ("+@write", *(rule for rule in RIGHTS if rule.startswith("-") and rule != "-select"))


def check_without_redis(own: Subject, redis_url: str) -> None:
    """A server with this URL, where no Redis answers, answers as ever and soon.

    On a busy machine it is tried again: who waits too long for Redis does so every time.
    """
    slowest = [slowest_without_redis(own, redis_url)]
    while slowest[-1] >= SOON_S and len(slowest) < TRIES:
        slowest.append(slowest_without_redis(own, redis_url))
    assert slowest[-1] < SOON_S, f"slowest answers of {TRIES} servers, in seconds: {slowest}"


def slowest_without_redis(own: Subject, redis_url: str) -> float:
    """The longest that a new server takes for a listing, a write and another listing, in seconds."""
    with subject_on(own.stage, own.server.directory, redis_url) as lonely:
        lonely.audit.may_fail = True
        first = lonely.get("/products?limit=2")
        new = {"name": "Without Redis", "price": "1.00", "category_id": EMPTY_CATEGORY}
        written = lonely.http.post("/products", json=new)
        page = lonely.get(f"/products?limit=9&category_id={EMPTY_CATEGORY}")

    assert [answer.status_code for answer in (first, written, page)] == [200, 201, 200]
    assert page.json()["items"][-1]["id"] == written.json()["id"]
    return max(answer.elapsed.total_seconds() for answer in (first, written, page))


@pytest.mark.criterion("R08.7")
def test_where_redis_refuses_the_api_answers_from_postgres(own: Subject) -> None:
    check_without_redis(own, refusing_url())


@pytest.mark.criterion("R08.8")
def test_where_redis_is_silent_the_api_answers_from_postgres(own: Subject) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        check_without_redis(own, f"redis://127.0.0.1:{silent.getsockname()[1]}/0")


@pytest.mark.criterion("R08.10")
def test_a_load_that_failed_is_not_remembered(own: Subject) -> None:
    own.audit.may_fail = True
    for limit, table in ((6, "products"), (7, "reviews"), (8, "categories")):
        path = f"/products?limit={limit}"
        own.sql(f"alter table {table} rename to elsewhere")
        failed = [own.burst([path], 15).outcomes for _ in range(2)]
        own.sql(f"alter table elsewhere rename to {table}")

        assert all(status.startswith("5") for outcomes in failed for status in outcomes), failed
        assert len(own.json(path)["items"]) == limit


@pytest.mark.criterion("R08.10")
def test_a_load_whose_process_was_killed_holds_up_no_other_process(own: Subject) -> None:
    own.audit.may_fail = True
    with ThreadPoolExecutor(1) as executor, subject_on(own.stage, own.server.directory) as killed:
        with holding_table(own) as waiting:
            asked = executor.submit(killed.burst, [OF_KILLED], KILLED_S)
            assert until(lambda: waiting() >= 1), "the listing was not loaded"
            killed.server.process.kill()
            asked.result()
        started = time.monotonic()

        assert own.json(OF_KILLED)["items"]

        assert time.monotonic() - started < KILLED_S, "who asked next waited for the process that was killed"


@pytest.mark.criterion("R08.12")
@pytest.mark.parametrize("how", ["refuses", "silent", "takes-no-writes"])
def test_what_was_written_while_redis_was_away_is_seen_by_all_when_it_is_back(
    bench: Workbench, candidate: Path, how: str
) -> None:
    path = "/products?limit=1&category_id=7"
    with (
        bench.stage(SIZES["small"], with_plans=True) as stage,
        FaultyRedis(stage.redis_url) as relay,
        subject_on(stage, candidate, relay.url) as writer,
        subject_on(stage, candidate, relay.url) as reader,
    ):
        writer.audit.may_fail = reader.audit.may_fail = True
        product = [subject.json(path) for subject in (writer, reader) * 2][-1]["items"][0]["id"]
        leaves, returns = {
            "refuses": (relay.go_away, relay.come_back),
            "silent": (relay.fall_silent, relay.come_back),
            "takes-no-writes": (
                lambda: allow(bench, stage, "-@write"),
                lambda: allow(bench, stage, *WRITES_AGAIN),
            ),
        }[how]

        def is_kept(subject: Subject) -> bool:
            with subject.observer.counted() as spent:
                subject.json(path)
            return spent.total == 0

        def are_kept() -> bool:
            return is_kept(writer) and is_kept(reader)

        # What was told to Redis while it was there is no credit for later.
        for _ in range(WRITTEN_BEFORE):
            writer.http.put(f"/products/{product}", json={"name": f"{next(TIMES)}"}).raise_for_status()
        # Again and again, for a server that has lost Redis before must not be slower to come back to it.
        # A write finds out that Redis is away, or a read before it.
        for number, away_s in enumerate(
            (VERY_LONG_AWAY_S if how == "refuses" else LONG_AWAY_S, AWAY_S, AWAY_S)
        ):
            leaves()
            if number == 1:
                writer.json(f"{path}&unknown={next(TIMES)}")
            for name in ("Written", f"Written again, {next(TIMES)}"):
                writer.http.put(f"/products/{product}", json={"name": name}).raise_for_status()
                away_until = time.monotonic() + away_s
                while time.monotonic() < away_until:
                    assert writer.json(path)["items"][0]["name"] == name
                    time.sleep(0.2)
            returns()

            # For a moment both may still answer from Postgres.
            assert until(are_kept, BACK_S), f"still not kept {BACK_S} s after Redis is back"
            for subject in (writer, reader):
                shown = subject.json(path)["items"][0]["name"]
                assert shown == name, f"{shown!r} is shown after Redis is back"


def allow(bench: Workbench, stage: Stage, *rules: str) -> None:
    """Change what the candidate may do in Redis: one that is read only, or full, takes no writes."""
    with redis.Redis.from_url(bench.services.redis_url) as client:
        client.execute_command("ACL", "SETUSER", stage.role, *rules)


CORRUPTIONS: dict[str, Callable[[bytes, list[bytes]], bytes]] = {
    "garbage": lambda value, _: b"\x00garbage\xff" * 20,
    "nothing": lambda value, _: b"",
    "cut off": lambda value, _: value[:-1],
    "first byte": lambda value, _: bytes([value[0] ^ 1]) + value[1:],
    "last byte": lambda value, _: value[:-1] + bytes([value[-1] ^ 1]),
    "middle": lambda value, _: value[: len(value) // 2] + b"\x00" + value[len(value) // 2 + 1 :],
    "highest bytes": lambda value, _: b"\xff" * len(value),
    "negative": lambda value, _: b"-5",
    "huge": lambda value, _: b"9" * 19,
    "that of a second key": lambda _, others: others[0],
    "that of a third key": lambda _, others: others[1 % len(others)],
    "that of a fourth key": lambda _, others: others[2 % len(others)],
}
"""What becomes of a value, beside those of the other keys."""
PARTS: dict[str, Callable[[bytes], bool]] = {
    "pages": lambda value: len(value) > BOOKKEEPING_BYTES,
    "bookkeeping": lambda value: len(value) <= BOOKKEEPING_BYTES,
}


@pytest.mark.criterion("R08.9")
@pytest.mark.parametrize("part", list(PARTS))
def test_what_others_put_into_redis_is_not_believed(own: Subject, part: str) -> None:
    own.audit.may_fail = True
    with (
        subject_on(own.stage, own.server.directory) as other,
        redis.Redis.from_url(own.stage.redis_url) as client,
    ):
        other.audit.may_fail = True
        for number, (kind, corrupted) in enumerate(CORRUPTIONS.items(), start=8):
            # Two totals that nobody could take for one another, and little else.
            paths = [f"/products?limit={number}", f"/products?limit=20&category_id={number}"]
            for key in client.keys("*"):
                client.delete(key)
            expected = {path: [own.json(path), own.json(path)][-1] for path in paths}
            time.sleep(0.05)  # what is left for other processes may be left after the answer
            held = part_of(client, PARTS[part])
            for key, value, others in held:
                client.set(key, corrupted(value, others), keepttl=True)

            for subject, path in [(subject, path) for subject in (other, own) for path in paths]:
                # Not by way of the auditor, which would take a corrupted page for a broken API.
                answer = httpx.get(f"{subject.server.url}{path}", timeout=30, verify=False)
                assert answer.status_code == 200, f"{kind}: {answer.status_code}"
                assert answer.json()["items"] == expected[path]["items"], kind
                total = answer.json()["total"]
                assert not wrong_total(total, expected[path]["total"], writes=0), f"{kind}: {total}"
            for path in paths:
                check_a_write_is_seen(own, other, expected[path]["items"][0]["id"], path, kind)
            if not held:
                break  # there is nothing that could be believed


def part_of(client: redis.Redis, is_part: Callable[[bytes], bool]) -> list[tuple[bytes, bytes, list[bytes]]]:
    """Keys with their values, and the values of all others beside each; its own where it is alone."""
    keys: list[Any] = client.keys("*")
    ours = [key for key in keys if not key.startswith(b"hofaz9")]
    values: dict[Any, Any] = {key: client.get(key) for key in ours if client.type(key) == b"string"}
    kept = [(key, value) for key, value in values.items() if value and is_part(value)]
    rest = [[value for _, value in kept[:place] + kept[place + 1 :]] for place in range(len(kept))]
    return [(key, value, others or [value]) for (key, value), others in zip(kept, rest, strict=True)]


def check_a_write_is_seen(writer: Subject, reader: Subject, product: int, path: str, kind: str) -> None:
    """Change a product that leads a listing, and ask the other process for the listing."""
    answer = writer.http.put(f"/products/{product}", json={"name": f"Changed after {kind}"})
    assert answer.status_code == 200, f"{kind}: PUT {answer.status_code}"
    shown = httpx.get(f"{reader.server.url}{path}", timeout=30, verify=False).json()["items"][0]["name"]
    assert shown == f"Changed after {kind}", kind


@pytest.mark.criterion("R08.9")
def test_no_byte_at_the_head_of_a_page_in_redis_is_believed_unseen(own: Subject) -> None:
    own.audit.may_fail = True
    paths = [f"/products?limit=2&category_id={1 + n % 40}&is_active={n < 40}" for n in range(HEAD_BYTES)]
    expected = [[own.json(path), own.json(path)][-1]["items"] for path in paths]
    time.sleep(0.05)  # what is left for other processes may be left after the answer
    with redis.Redis.from_url(own.stage.redis_url) as client, ExitStack() as stack:
        pages = [key for key in client.keys("*") if client.type(key) == b"string"]
        pages = [key for key in pages if client.strlen(key) > BOOKKEEPING_BYTES]
        if not pages:
            return  # there is nothing that could be believed
        other = stack.enter_context(subject_on(own.stage, own.server.directory))
        other.audit.may_fail = True
        for number, key in enumerate(pages):
            place = number % HEAD_BYTES
            client.setrange(key, place, bytes([(client.getrange(key, place, place)[0]) ^ 1]))

        for path, items in zip(paths, expected, strict=True):
            answer = httpx.get(f"{other.server.url}{path}", timeout=30, verify=False)
            assert answer.status_code == 200, f"{path}: {answer.status_code}"
            assert answer.json()["items"] == items, path
