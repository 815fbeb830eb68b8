"""A catalog that our own tests serve, ask and disturb."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psycopg

from evaluation.serving.server import Server
from evaluation.serving.workbench import Stage

ROOT = Path(__file__).parents[2]
BASELINE, REFERENCE = ROOT / "repository_before", ROOT / "repository_after"
WAITING = "select pid from pg_stat_activity where wait_event_type = 'Lock' and datname = '{}'"


@dataclass(frozen=True, slots=True)
class Served:
    """A served catalog: its process, its stage, an HTTP client."""

    server: Server
    stage: Stage
    http: httpx.Client

    def json(self, path: str) -> Any:
        """The body of a GET that must succeed."""
        answer = self.http.get(path)
        assert answer.status_code == 200, f"GET {path}: {answer.status_code} {answer.text[:300]}"
        return answer.json()

    def rename(self, product: int, name: str) -> None:
        """Change a product through the API."""
        answer = self.http.put(f"/products/{product}", json={"name": name})
        assert answer.status_code == 200, answer.text

    def first(self, path: str) -> dict[str, Any]:
        """The first product of a listing."""
        product: dict[str, Any] = self.json(path)["items"][0]
        return product

    def sql(self, query: str) -> list[tuple[Any, ...]]:
        """Run SQL on the catalog's tables, behind the API."""
        return run_sql(self.stage.admin_url, query)

    def end_sessions(self) -> None:
        """End every session of the catalog in Postgres, as an administrator does."""
        ended = f"select pg_terminate_backend(pid) from pg_stat_activity where usename = '{self.stage.role}'"
        run_sql(self.stage.counters_url, ended)

    def lines(self, text: str) -> list[str]:
        """The lines of the log that hold a text."""
        return [line for line in self.server.log_text().splitlines() if text in line]


@contextmanager
def served(stage: Stage, folder: Path, redis_url: str | None = None) -> Iterator[Served]:
    """Serve a catalog on a stage; each request has a connection of its own, so that none is found closed."""
    limits = httpx.Limits(max_keepalive_connections=0)
    with (
        stage.serving(folder, redis_url) as server,
        httpx.Client(base_url=server.url, timeout=30, verify=False, limits=limits) as http,
    ):
        yield Served(server, stage, http)


def run_sql(url: str, query: str) -> list[tuple[Any, ...]]:
    """Run one statement, and return its rows."""
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(query.encode())
        return cursor.fetchall() if cursor.description else []


def printed_by(code: str, stage: Stage) -> str:
    """What code prints that uses the modules of the reference on this stage."""
    urls = {"DATABASE_URL": stage.url, "REDIS_URL": stage.redis_url}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=urls, capture_output=True, text=True, check=True
    )
    return done.stdout


@contextmanager
def holding(stage: Stage, lock: str) -> Iterator[Callable[[], int]]:
    """Take a lock with a statement until the block ends; yields how many sessions wait for a lock."""
    waiting = WAITING.format(stage.database)
    with psycopg.connect(stage.admin_url) as holder:
        holder.execute(lock.encode())
        yield lambda: len(run_sql(stage.counters_url, waiting))
        holder.rollback()
