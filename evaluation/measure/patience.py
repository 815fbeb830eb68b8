"""How requests fare whose connections are all taken, or closed, in a process as in production."""

import json
import random
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from threading import Event

import psycopg

from evaluation.database.dataset import SIZES
from evaluation.errors import CandidateError
from evaluation.records import Broken
from evaluation.serving.clients import drawn_with_gzip
from evaluation.serving.connection import AnswerError, Connection
from evaluation.serving.log_lines import Request, lines_about
from evaluation.serving.relay import Relay, usual_address
from evaluation.serving.server import Server
from evaluation.serving.wire import PostgresWire, RedisWire
from evaluation.serving.workbench import Stage, Workbench

OPTIONS = ("--as-in-production",)
SIDE_BY_SIDE, WAITING, REPLACED, TIMED = "R05.1", "R05.2", "R05.3", "R16.2"
FIRST, TAKERS, WAITERS, WRITERS = 10, 120, 12, 60
MOST_CONNECTIONS = 100
CHANGE = {"name": "Waited for"}
EARLY_S, HELD_S, DEADLINE_S = 11.0, 22.0, 60.0
"""Who comes EARLY_S later waits for HELD_S, well below the 30 s for which requests wait: a busy machine is no
impatient candidate. Those who came first may have given up by then.
"""
ARRIVED_S = 0.5
SOON_S = 10.0
LOG_S = 5.0


def wait_for_connections(bench: Workbench, candidate: Path, interrupted: Event) -> tuple[Broken, ...]:
    """Whether requests that find every connection taken are answered after HELD_S, and how those are logged
    that had taken them.

    The connections are taken by requests for a table that is locked; those that wait ask for another one.
    The services have the ports that they have in production.
    """
    try:
        with bench.stage(SIZES["small"]) as stage:
            create_tables(stage, candidate)
            with (
                Relay(stage.url, PostgresWire, usual_address(5432)) as postgres,
                Relay(stage.redis_url, RedisWire, usual_address(6379)) as cache,
                stage.serving(candidate, cache.url, database_url=postgres.url, options=OPTIONS) as server,
            ):
                return (*held_up(stage, server, interrupted), *replaced(stage, server))
    except CandidateError:
        return ()  # A candidate that cannot be served is found by others.


def create_tables(stage: Stage, candidate: Path) -> None:
    """Let a candidate create its tables and indexes, which a process as in production finds."""
    with stage.serving(candidate, options=("--without-probe",)):
        pass


def held_up(stage: Stage, server: Server, interrupted: Event) -> tuple[Broken, ...]:
    """Lock a table for HELD_S, and look at those who wait for it and at those who wait for a connection."""
    details = [f"/products/{number}" for number in range(1, TAKERS + 1)]
    changed_early = [f"/products/{number}" for number in range(501, 501 + TAKERS)]
    changed = [f"/products/{number}" for number in range(1001, 1001 + WRITERS)]
    with ThreadPoolExecutor(2 * TAKERS + WAITERS + WRITERS) as executor:
        with psycopg.connect(stage.admin_url) as holder:
            holder.execute("lock table products in access exclusive mode")
            taking = [executor.submit(answered, server, path) for path in details[:FIRST]]
            interrupted.wait(ARRIVED_S)
            giving_up = [executor.submit(answered, server, path, CHANGE) for path in changed_early]
            interrupted.wait(ARRIVED_S)
            taking += [executor.submit(answered, server, path) for path in details[FIRST:]]
            interrupted.wait(EARLY_S)
            waiting = [executor.submit(answered, server, "/categories") for _ in range(WAITERS)]
            waiting += [executor.submit(answered, server, path, CHANGE) for path in changed]
            interrupted.wait(HELD_S)
            connections = connections_of(stage)
        outcomes = Counter(one.result().status for one in waiting)
        held = [one.result() for one in taking]
        gave_up = sum(one.result().status != 200 for one in giving_up)
    found = (*crowd(connections), *patience(outcomes), *timed(server, held, interrupted))
    return (*found, *recovered(server, gave_up))


def answered(server: Server, path: str, change: dict[str, str] | None = None) -> Request:
    """What a client sees of a GET, or of a PUT with a change; status 0 without an answer."""
    method, headers = "GET" if change is None else "PUT", drawn_with_gzip(random.Random())
    body = None if change is None else json.dumps(change).encode()
    if body:
        headers |= {"Content-Type": "application/json"}
    started = time.monotonic()
    with closing(Connection(server.port, DEADLINE_S)) as connection:
        try:
            status = connection.ask(method, path, headers, body).status
        except AnswerError:
            status = 0
    return Request(method, path, status, time.monotonic() - started, HELD_S)


def connections_of(stage: Stage) -> int:
    """How many connections to Postgres the candidate has."""
    with psycopg.connect(stage.counters_url) as admin:
        query = "select count(*) from pg_stat_activity where usename = %s"
        row = admin.execute(query, (stage.role,)).fetchone()
    return row[0] if row else 0


def crowd(connections: int) -> tuple[Broken, ...]:
    """R05.2, where requests that should wait for a connection got one of their own."""
    if connections <= MOST_CONNECTIONS:
        return ()
    told = f"{connections} connections to Postgres for {TAKERS + WAITERS + WRITERS} requests at once"
    return (Broken(WAITING, f"{told}, {MOST_CONNECTIONS} are allowed"),)


def patience(outcomes: Counter[int]) -> tuple[Broken, ...]:
    """R05.2, where somebody who waited for a connection got something else than an answer."""
    if outcomes.keys() <= {200}:
        return ()
    told = f"{WAITERS} GET /categories and {WRITERS} PUT, while {TAKERS} others had waited for a locked table"
    named = {str(status or "no answer"): count for status, count in outcomes.items()}
    return (Broken(WAITING, f"{told} for {HELD_S:.0f} s: {named}"),)


def timed(server: Server, held: Sequence[Request], interrupted: Event) -> tuple[Broken, ...]:
    """R16.2, where the line of a request that was held up does not say for how long."""
    logged = [one for one in held if one.status == 200]
    deadline = time.monotonic() + LOG_S
    while (wrong := untimed(server, logged)) and time.monotonic() < deadline and not interrupted.wait(0.2):
        pass
    if not wrong:
        return ()
    request, lines = wrong[0]
    told = (
        f"{len(wrong)} of {len(logged)} requests that a locked table held up for {HELD_S:.0f} s have no such"
    )
    first = f"GET {request.path} took {request.elapsed_s:.1f} s and is logged as {lines[:1]}"
    return (Broken(TIMED, f"{told} duration in their line, first: {first}"),)


def recovered(server: Server, gave_up: int) -> Iterator[Broken]:
    """R05.1, where a request has to wait long after others had waited in vain."""
    for path, change in (("/products/1501", CHANGE), ("/products/1502", None), ("/products/1503", CHANGE)):
        seen = answered(server, path, change)
        if seen.status != 200 or seen.elapsed_s > SOON_S:
            told = (
                f"{seen.method} {path} was answered {seen.status or 'nothing'} after {seen.elapsed_s:.1f} s"
            )
            yield Broken(SIDE_BY_SIDE, f"{told}, when {gave_up} PUT had waited for a connection in vain")
            return


def replaced(stage: Stage, server: Server) -> Iterator[Broken]:
    """R05.3, where a request notices that Postgres has closed the connections of the pool."""
    for path, change in (("/products/7", None), ("/products?limit=7", None), ("/products/9", CHANGE)):
        with psycopg.connect(stage.admin_url, autocommit=True) as admin:
            admin.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity where usename = %s", (stage.role,)
            )
        if (seen := answered(server, path, change)).status != 200:
            told = f"{seen.method} {path} was answered {seen.status or 'nothing'}"
            yield Broken(REPLACED, f"{told} after Postgres had closed the connections of the pool")


def untimed(server: Server, requests: Sequence[Request]) -> list[tuple[Request, list[str]]]:
    """Requests whose lines hold no duration that fits, with these lines."""
    log = server.log_text().splitlines()
    found = [(one, lines_about(one, log)) for one in requests]
    return [(one, lines) for one, lines in found if not any(map(one.fits, lines))]
