"""How long requests wait for a connection when all of them are taken, in a process without the probe."""

import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from threading import Event

import psycopg

from evaluation.database.dataset import SIZES
from evaluation.errors import CandidateError
from evaluation.records import Broken
from evaluation.serving.clients import drawn
from evaluation.serving.connection import AnswerError, Connection
from evaluation.serving.server import Server
from evaluation.serving.workbench import Workbench

WAITING = "R05.2"
TAKERS, WAITERS = 120, 12
SETTLED_S, HELD_S, DEADLINE_S = 3.0, 22.0, 60.0
"""Well below the 30 s for which requests wait, for a busy machine is no impatient candidate."""


def wait_for_connections(bench: Workbench, candidate: Path, interrupted: Event) -> tuple[Broken, ...]:
    """Whether requests that find every connection taken are answered after HELD_S.

    The connections are taken by requests for a table that is locked; those that wait ask for another one.
    """
    try:
        with (
            bench.stage(SIZES["small"]) as stage,
            stage.serving(candidate, options=("--without-probe",)) as server,
            ThreadPoolExecutor(TAKERS + WAITERS) as executor,
        ):
            with psycopg.connect(stage.admin_url) as holder:
                holder.execute("lock table products in access exclusive mode")
                for number in range(1, TAKERS + 1):
                    executor.submit(outcome, server, f"/products/{number}")
                interrupted.wait(SETTLED_S)
                waiting = [executor.submit(outcome, server, "/categories") for _ in range(WAITERS)]
                interrupted.wait(HELD_S)
            outcomes = Counter(one.result() for one in waiting)
    except CandidateError:
        return ()  # A candidate that cannot be served is found by others.
    if outcomes.keys() <= {"200"}:
        return ()
    told = f"{WAITERS} requests for /categories, while {TAKERS} others had waited for a locked table"
    return (Broken(WAITING, f"{told} for {HELD_S:.0f} s: {dict(outcomes)}"),)


def outcome(server: Server, path: str) -> str:
    """The status of a GET, or `no answer`."""
    with closing(Connection(server.port, DEADLINE_S)) as connection:
        try:
            return str(connection.get(path, drawn(random.Random())[1]).status)
        except AnswerError:
            return "no answer"
