"""How many requests for single products the reference has under way, beside copies of it that ask Postgres
synchronously: in the event loop itself, and in a thread for each request. All else is the same code.
"""

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from random import Random
from statistics import median
from typing import Any

import psycopg

from evaluation.database.dataset import SIZES
from evaluation.measure.rounds import run_client
from evaluation.measure.scenarios import CLIENTS, FEW_CLIENTS, SEED, gets
from evaluation.measure.settings import Settings
from evaluation.pipeline import REFERENCE, prepared_workshop
from evaluation.proof.patched import PATCHES, patched
from evaluation.serving.connection import AnswerError, Connection
from evaluation.serving.workbench import Stage

SYNCHRONOUS = ("R09-blocking-driver", "R09-details-in-a-thread-each")
SIZE = SIZES["tenth"]
HELD_S, HEALTH_S, PATIENCE_S, ROUND_S, ROUNDS = 8.0, 2.0, 30.0, 2.0, 5
WAITING = "select count(*) from pg_stat_activity where datname = %s and wait_event_type = 'Lock'"


@dataclass(frozen=True, slots=True)
class Held:
    """While nobody can read products: how many requests wait in Postgres, and whether /health is answered."""

    waiting: int
    is_healthy: bool


def run_concurrency() -> int:
    """Measure and print a line for each catalog; return 0."""
    paths = [f"/products/{number}" for number in Random(SEED).choices(range(1, SIZE + 1), k=20_000)]
    with prepared_workshop(Settings(size="tenth"), lambda text: print(text, flush=True)) as shop:
        folders = [REFERENCE, *(patched(shop, PATCHES / "mutants" / f"{name}.patch") for name in SYNCHRONOUS)]
        with shop.workbench() as bench, bench.stage(SIZE) as stage:
            held = {folder: while_held(stage, folder, paths) for folder in folders}
            rounds: dict[Path, list[dict[str, Any]]] = {folder: [] for folder in folders}
            for number in range(ROUNDS):
                for folder in folders if number % 2 == 0 else reversed(folders):
                    rounds[folder].append(one_round(stage, folder, paths))
    print(f"{'catalog':<34}{'wait in Postgres':>17}{'/health':>9}{'answers/s':>11}{'not answered':>14}")
    for folder in folders:
        rate = median(answered(result) / ROUND_S for result in rounds[folder])
        missed = sum(sum(result["outcomes"].values()) - answered(result) for result in rounds[folder])
        health = "yes" if held[folder].is_healthy else "no"
        print(f"{folder.name:<34}{held[folder].waiting:>17}{health:>9}{rate:>11,.0f}{missed:>14}")
    return 0


def while_held(stage: Stage, folder: Path, paths: list[str]) -> Held:
    """Let 500 clients ask for products while a lock on the table is held."""
    with (
        stage.serving(folder) as server,
        psycopg.connect(stage.admin_url) as holder,
        psycopg.connect(stage.admin_url, autocommit=True) as watcher,
        ThreadPoolExecutor(1) as beside,
    ):
        holder.execute("lock table products in access exclusive mode")
        under_way = beside.submit(run_client, [plan(server.port, paths, HELD_S, stop_after=CLIENTS)])
        time.sleep(HELD_S)
        row = watcher.execute(WAITING, (stage.database,)).fetchone()
        with closing(Connection(server.port, HEALTH_S)) as connection:
            try:
                is_healthy = connection.get("/health").status == 200
            except (AnswerError, OSError):
                is_healthy = False
        holder.rollback()
        under_way.result()
        return Held(row[0] if row else 0, is_healthy)


def one_round(stage: Stage, folder: Path, paths: list[str]) -> dict[str, Any]:
    """Let 50 clients ask a new process for products."""
    with stage.serving(folder) as server:
        [result] = run_client([plan(server.port, paths, ROUND_S, clients=FEW_CLIENTS)])
        return result


def plan(port: int, paths: list[str], seconds: float, **more: Any) -> dict[str, Any]:
    """What the client is to send."""
    return {
        "ports": [port],
        "clients": CLIENTS,
        "requests": gets(paths),
        "seconds": seconds,
        "patience_s": PATIENCE_S,
        **more,
    }


def answered(result: dict[str, Any]) -> int:
    """How many requests of a round were answered with 200."""
    return int(result["outcomes"].get("200", 0))
