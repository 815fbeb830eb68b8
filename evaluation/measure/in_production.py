"""Looks at a candidate that nothing watches but Postgres itself: its writes, and the statements it needs.

There is no relay before its services, no probe in it, and no module of the harness.
"""

import json
import random
import time
from contextlib import closing
from pathlib import Path

import redis

from evaluation.database.counters import Counters
from evaluation.database.dataset import SIZES
from evaluation.errors import CandidateError
from evaluation.measure.exchanges import RIGHT, SEEN_AT_ONCE, check_statements, in_one_line
from evaluation.records import Broken
from evaluation.serving.clients import drawn
from evaluation.serving.connection import Connection
from evaluation.serving.workbench import Stage, Workbench

GONE_S = 5.0
ONE_LISTED, WRITES = "/products?limit=1", 3


def count_in_production(bench: Workbench, candidate: Path) -> tuple[Broken, ...]:
    """Whether requests for many products cost as few statements there as everywhere else.

    One process gets the requests, another one gets none: the difference is what they cost.
    """
    targets = large_requests()
    runs = random.sample(((), targets), 2)
    try:
        with bench.stage(SIZES["small"]) as stage, closing(stage.counters()) as counters:
            unseen = look_alone(stage, candidate)
            spent = {len(run): spent_by(stage, counters, candidate, run) for run in runs}
    except CandidateError as error:
        return (Broken(RIGHT, f"as in production: {in_one_line(error)}"),)
    calls, rolled_back = (
        asked - unasked for asked, unasked in zip(spent[len(targets)], spent[0], strict=True)
    )
    where = "for many products, in a process as in production"
    return (*unseen, *check_statements(calls, rolled_back, len(targets), where))


def look_alone(stage: Stage, candidate: Path) -> tuple[Broken, ...]:
    """Whether writes are seen where nobody else is connected to the database.

    Its tables and indexes are made meanwhile, which a process as in production finds.
    """
    with (
        stage.serving(candidate, options=("--without-probe",)) as server,
        closing(Connection(server.port)) as connection,
    ):
        names = [(f"Alone {number}", name_after(connection, f"Alone {number}")) for number in range(WRITES)]
    wrong = [f"{shown!r} instead of {written!r}" for written, shown in names if shown != written]
    if not wrong:
        return ()
    told = f"{len(wrong)} of {WRITES} writes are not seen where nobody else is connected to the database"
    return (Broken(SEEN_AT_ONCE, f"{told}: {wrong[0]}"),)


def name_after(connection: Connection, name: str) -> object:
    """Rename the first product of a listing that is kept; the name that the listing shows then."""
    for _ in range(2):
        item = listed(connection)
    content = json.dumps({"name": name}).encode()
    connection.ask("PUT", f"/products/{item['id']}", {"Content-Type": "application/json"}, content)
    return listed(connection)["name"]


def listed(connection: Connection) -> dict[str, object]:
    """The only product of a listing of one; CandidateError when it is not there."""
    answer = connection.get(ONE_LISTED)
    try:
        [item] = json.loads(answer.body())["items"]
        return {"id": item["id"], "name": item["name"]}
    except (ValueError, KeyError, TypeError) as error:
        raise CandidateError(f"GET {ONE_LISTED}: status {answer.status}, no product") from error


def large_requests() -> tuple[str, ...]:
    """Three listings and a batch of many products, and one product."""
    listings = [f"/products?limit={limit}" for limit in random.sample(range(80, 101), 3)]
    one, *several = random.sample(range(1, 1900), 61)
    return (*listings, f"/products/batch?ids={','.join(map(str, several))}", f"/products/{one}")


def spent_by(stage: Stage, counters: Counters, candidate: Path, targets: tuple[str, ...]) -> tuple[int, int]:
    """Statements, and transactions without a commit, of a new process that is asked for these."""
    with redis.Redis.from_url(stage.redis_url) as client:
        client.flushdb()
    before, rolled_back = counters.snapshot(), counters.rolled_back()
    with stage.serving(candidate, options=("--as-in-production",)) as server:
        for target in targets:
            with closing(Connection(server.port)) as connection:
                answer = connection.get(target, drawn(random.Random())[1])
                if answer.status != 200:
                    raise CandidateError(f"GET {target}: status {answer.status}")
    # What a session has done is counted when it ends, at the latest.
    deadline = time.monotonic() + GONE_S
    while counters.sessions() and time.monotonic() < deadline:
        time.sleep(0.02)
    done = counters.since(before)
    calls = sum(work.calls for work in done) - counters.session(done)
    return calls, counters.rolled_back() - rolled_back
