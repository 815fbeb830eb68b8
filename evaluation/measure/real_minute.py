"""Serves a candidate without the probe while one minute really passes, and asks as ordinary clients do.

What it does only where its clock is moved or its work is recorded, it does not do here.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from pathlib import Path
from random import Random
from threading import Event

import psycopg

from evaluation.database.dataset import SIZES
from evaluation.errors import CandidateError
from evaluation.measure.exchanges import (
    FRESH,
    RIGHT,
    Exchange,
    Wanted,
    check_kept,
    check_statements,
    findings,
    in_one_line,
    log_findings,
    unlogged,
)
from evaluation.measure.minute import CATEGORIES, PREPARING_S, SHARED_LISTINGS, Minute, sleep, until
from evaluation.records import Broken, RealMinute
from evaluation.serving.server import Server
from evaluation.serving.workbench import Stage, Workbench

WAIT_S = 61.0
"""A listing may be 60 s old."""
KEPT = 0.88
"""How long a listing is kept at least, as a share of the wait."""
TAKEN = "that one process had just answered cost another one statements, in a real minute without the probe"
RELOADED = "were made again before their minute was over, in a real minute without the probe"
POPULAR_S = 2.0
"""How long one client asks for one listing as fast as it can: that does not make it last longer either."""
AGAIN = 2 / 3
"""When listings are asked again meanwhile, as a share of the wait: asking does not make them last longer."""
CHECKING_S = 8.0
"""No request is begun later than this after the wait."""
LOG_S = 5.0
CHECKS = 3
"""How many clients ask each process for each listing after the minute."""
MOST_OTHERS = 2
"""How many more processes there may be, which are asked for nothing, beside at least one."""
OTHER_ROWS = """
insert into categories (name, description)
    select 'Shelf ' || one, '' from generate_series(1, %(shelves)s) one;
update users set name = 'Reader ' || id;
delete from reviews where product_id = any(%(gone)s) or product_id <= %(read)s and id %% 100 >= %(left)s;
delete from inventory where product_id = any(%(gone)s);
delete from products where id = any(%(gone)s);
analyze
"""


def observe_real_minute(
    bench: Workbench, candidate: Path, seed: int, interrupted: Event, wait_s: float = WAIT_S
) -> RealMinute:
    """Ask two processes on one stage before and after a minute; InfrastructureError as soon as `interrupted`.

    A candidate that cannot be served, dies, or does not answer has broken API.2.
    """
    exchanges: list[Exchange] = []
    broken: list[Broken] = []
    started = time.monotonic()
    random = Random(seed)
    try:
        with (
            other_rows(bench, random) as stage,
            unwatched(stage, candidate, "--without-probe") as first,
            unwatched(stage, candidate, "--as-in-production") as second,
            ExitStack() as others,
        ):
            # Who counts processes does not find the same number every time.
            for _ in range(random.randint(1, MOST_OTHERS)):
                others.enter_context(unwatched(stage, candidate, "--without-probe"))
            started = time.monotonic()
            # Each for one purpose: that writes are seen by other processes too is not asked here.
            categories = random.sample(range(1, CATEGORIES + 1), 5)
            with closing(stage.counters()) as counters:
                minute = Minute(stage, (first, second), random, categories, interrupted, exchanges, counters)
                with minute.spending() as whole:
                    broken += live(minute, wait_s)
                    broken += check_log(exchanges, (first, second), interrupted)
                hits, popular = minute.hits, minute.popular
                where = "in a real minute without the probe"
                broken += check_statements(
                    whole.calls - popular.calls,
                    whole.rolled_back - popular.rolled_back,
                    len(exchanges),
                    where,
                )
                broken += check_statements(
                    popular.calls, popular.rolled_back, hits + 1, f"{where}, for one listing"
                )
    except CandidateError as error:
        broken.append(Broken(RIGHT, f"without the probe: {in_one_line(error)}"))
    seconds = round(time.monotonic() - started, 1)
    return RealMinute(seconds, len(exchanges), (*findings(exchanges), *broken))


@contextmanager
def other_rows(bench: Workbench, random: Random) -> Iterator[Stage]:
    """A stage whose rows are not those of the data set: who knows that by heart knows nothing here."""
    with bench.stage(SIZES["standard"]) as stage:
        numbers = {
            "shelves": random.randint(20, 200),
            "gone": [1, 2, *random.sample(range(3, 2_000), 20)],
            "read": random.randint(20, 80),
            "left": random.randint(5, 60),
        }
        with psycopg.connect(stage.admin_url) as connection:
            for statement in OTHER_ROWS.split(";"):
                connection.execute(statement.encode(), numbers)
        yield stage


def unwatched(stage: Stage, candidate: Path, option: str) -> AbstractContextManager[Server]:
    """A process without a probe, and without relays before its services."""
    return stage.serving(candidate, options=(option,))


def live(minute: Minute, wait_s: float) -> list[Broken]:
    """A write, listings that are kept, a change behind the API; and after the wait the same listings again.

    The write comes first: a candidate may forget everything after one.
    """
    broken: list[Broken] = []
    minute.write(0)
    listings = minute.listings()
    before = [minute.rows(one.rest) for one in listings]
    is_early = until(minute.started_s + PREPARING_S)
    kept = {0}
    for process, place in rounds(2, len(minute.servers), len(listings), is_early):
        minute.ask(process, listings[place].target, Wanted(before[place], before[place]))
        kept.add(place)
    minute.take_off(shelf := listings[1])
    minute.rename([row for rows in before for row in rows])
    after = [minute.rows(one.rest) for one in listings]
    changed_s = minute.changed_s or 0.0
    minute.make_popular(listings[0].target, min(POPULAR_S, wait_s / 4))
    is_early = until(changed_s + AGAIN * wait_s)
    for maker, taker in ((0, 1), (1, 0)):
        if is_early():
            made_again = minute.share(maker, taker)
            broken += check_kept(made_again, SHARED_LISTINGS, TAKEN)
    minute.sleep_until(changed_s + AGAIN * wait_s)
    reloaded = set()
    for process, place in rounds(1, len(minute.servers), len(listings), until(changed_s + wait_s)):
        wanted = Wanted(after[place], before[place])
        if minute.is_made_again(process, listings[place].target, wanted):
            reloaded.add(place)
    if until(minute.started_s + KEPT * wait_s)():
        broken += check_kept(len(reloaded & kept), len(kept), RELOADED)
    minute.sleep_until(changed_s + wait_s)
    is_in_time = until(changed_s + wait_s + CHECKING_S)
    for process in range(len(minute.servers)):
        if is_in_time():
            minute.told_total(process, shelf)
    for process, place in rounds(CHECKS, len(minute.servers), len(listings), is_in_time):
        wanted = Wanted(after[place], before[place], FRESH)
        minute.ask(process, listings[place].target, wanted, tagged=True)
    for process in range(len(minute.servers)):
        if is_in_time():
            minute.write(process)
    return broken


def rounds(
    times: int, processes: int, listings: int, is_in_time: Callable[[], bool]
) -> Iterator[tuple[int, int]]:
    """Every process with every listing, as often as wanted, while there is time.

    Each process is the first with some listings: what it makes itself may not be what it takes from others.
    """
    for _ in range(times):
        for turn in range(processes):
            for place in range(listings):
                if is_in_time():
                    yield (turn + place) % processes, place


def check_log(exchanges: list[Exchange], servers: tuple[Server, ...], interrupted: Event) -> list[Broken]:
    """Every request has a line soon after its answer."""
    is_in_time = until(time.monotonic() + LOG_S)
    while unlogged(exchanges, [server.log_text() for server in servers]) and is_in_time():
        sleep(0.1, interrupted)
    return list(log_findings(exchanges, [server.log_text() for server in servers]))
