"""Looks at a candidate where its CPU time is taken: it does there what it does everywhere else."""

import base64
import json
import time
from concurrent.futures import Future, wait
from contextlib import closing
from random import uniform
from secrets import token_hex
from typing import Any

from evaluation.database.expected import expected_products
from evaluation.measure.answers import check_bodies
from evaluation.measure.exchanges import LOGGED, SEEN_AT_ONCE
from evaluation.measure.rounds import run_client
from evaluation.measure.scenarios import FIRST_PAGE, gets
from evaluation.records import Broken
from evaluation.serving.connection import AnswerError, Connection
from evaluation.serving.log_lines import Request, lines_about
from evaluation.serving.server import Server
from evaluation.serving.workbench import Stage

QUIET_S, PAUSE_S = 1.0, 0.1
READS_AFTER_A_WRITE, READS_AT_ONCE = 40, 3
READING_S = 5.0
BETWEEN_S = 0.2, 1.0
"""How long to wait before each write while others read."""


def broken_under_load(
    stage: Stage, server: Server, answered: int, between: tuple[int, int], clients: int
) -> tuple[Broken, ...]:
    """Criteria that a process breaks which has answered so many requests for the first page.

    Every one of them has a line in the log, and after a write the same clients see what was written.
    `between` is what `read_between` found meanwhile.
    """
    lines = lines_in_time(server, answered)
    found = []
    if lines < answered:
        found.append(Broken(LOGGED, f"{lines} lines in the log for {answered} requests under load"))
    checked, wrong = map(sum, zip(between, read_after_write(stage, server, clients), strict=True))
    if wrong:
        message = f"{wrong} of {checked} pages under load did not show a write that had been answered before"
        found.append(Broken(SEEN_AT_ONCE, message))
    return tuple(found)


def broken_lines_of_others(server: Server, paths: list[str], unanswered: int) -> tuple[Broken, ...]:
    """R16.1 where paths that were asked for once, among many others, have no line in the log."""
    missing, deadline = paths, time.monotonic() + QUIET_S
    while len(missing) > unanswered and time.monotonic() < deadline:
        log, before = server.log_text(), len(missing)
        missing = [path for path in missing if path not in log]
        if len(missing) < before:
            deadline = time.monotonic() + QUIET_S
        time.sleep(PAUSE_S)
    if len(missing) <= unanswered:
        return ()
    told = (
        f"{len(missing)} of {len(paths)} requests under load, each for another path, have no line in the log"
    )
    return (Broken(LOGGED, f"{told}: GET {missing[0]}"),)


def lines_in_time(server: Server, wanted: int) -> int:
    """How many lines about the first page the log has, when they are enough or none has come for a while."""
    request = Request("GET", FIRST_PAGE.partition("?")[0])
    found, deadline = 0, time.monotonic() + QUIET_S
    while found < wanted and time.monotonic() < deadline:
        before, found = found, len(lines_about(request, server.log_text().splitlines()))
        if found > before:
            deadline = time.monotonic() + QUIET_S
        time.sleep(PAUSE_S)
    return found


def read_between(stage: Stage, server: Server, load: Future[Any]) -> tuple[int, int]:
    """Write and read again and again while others ask; how many bodies were checked, and are wrong."""
    checked = wrong = 0
    while not load.done():
        wait([load], uniform(*BETWEEN_S))
        seen = check_bodies(stage.admin_url, [kept(body) for body in read_at_once(stage, server)])
        checked, wrong = checked + seen[0], wrong + seen[1]
    return checked, wrong


def read_at_once(stage: Stage, server: Server) -> list[bytes]:
    """Rename a product of the first page, and ask for that on the same connection; none without an answer."""
    [first] = expected_products(stage.admin_url, "where is_active order by id limit 1")
    content = json.dumps({"name": f"Renamed {token_hex(6)}"}).encode()
    with closing(Connection(server.port, READING_S)) as connection:
        try:
            connection.ask("PUT", f"/products/{first['id']}", {"Content-Type": "application/json"}, content)
            return [connection.get(FIRST_PAGE).sent for _ in range(READS_AT_ONCE)]
        except AnswerError:
            return []  # How writes are answered is asked elsewhere.


def kept(body: bytes) -> dict[str, str]:
    """A body of the first page, as the load client keeps it."""
    return {"path": FIRST_PAGE, "body": base64.b64encode(body).decode()}


def read_after_write(stage: Stage, server: Server, clients: int) -> tuple[int, int]:
    """Write, then have many clients read; how many bodies were checked, and are wrong."""
    # The clients need a moment to begin; the one that wrote does not.
    at_once = read_at_once(stage, server)
    if not at_once:
        return 0, 0
    plan = {
        "ports": [server.port],
        "clients": clients,
        "requests": gets([FIRST_PAGE]),
        "seconds": READING_S,
        "stop_after": READS_AFTER_A_WRITE if clients > 1 else 1,
        "keep_every": 2,
    }
    [result] = run_client([plan])
    return check_bodies(stage.admin_url, [*map(kept, at_once), *result["kept"]])
