"""Every process of ours, every server and every candidate is in UTC, whatever the machine's time zone is."""

import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psycopg
import pytest

from evaluation.candidates.folder import copied
from evaluation.database.expected import difference, expected_products
from evaluation.services.cleaner import Cleaner
from evaluation.services.services import open_services
from evaluation.serving.workbench import open_workbench

BASELINE = Path(__file__).parents[2] / "repository_before"
TELLS_ITS_ZONE = """
import os

@app.get("/zone")
def zone() -> str:
    return os.environ.get("TZ", "")
"""


@pytest.fixture
def tokyo(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine in Japan, nine hours before UTC."""
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    assert time.strftime("%z") == "+0900"
    yield
    monkeypatch.undo()
    time.tzset()


def zone_of(url: str) -> str:
    """The time zone of a session of Postgres."""
    with psycopg.connect(url) as connection:
        row = connection.execute("show timezone").fetchone()
    return str(row[0]) if row else ""


@pytest.mark.usefixtures("tokyo")
def test_a_postgres_that_is_started_is_in_utc() -> None:
    with Cleaner() as cleaner, open_services("embedded", cleaner=cleaner) as services:
        assert zone_of(services.postgres_url) == "UTC"


@pytest.mark.usefixtures("tokyo")
def test_a_candidate_is_in_utc_where_machine_and_running_server_are_not(tmp_path: Path) -> None:
    candidate = copied(BASELINE, tmp_path / "candidate")
    with (candidate / "main.py").open("a") as main:
        main.write(TELLS_ITS_ZONE)
    with open_workbench() as bench:
        with psycopg.connect(bench.services.postgres_url, autocommit=True) as administrator:
            administrator.execute("ALTER ROLE ALL SET timezone = 'Asia/Tokyo'")
        assert zone_of(bench.services.postgres_url) == "Asia/Tokyo"
        with bench.stage(100) as stage, stage.serving(candidate) as server:
            zone = httpx.get(f"{server.url}/zone").json()
            body = httpx.get(f"{server.url}/products/1").json()
            [expected] = expected_products(stage.admin_url, "where p.id = 1")

            assert (zone_of(stage.url), zone_of(stage.admin_url)) == ("UTC", "UTC")
    assert zone == "UTC"
    assert difference(body, expected) is None
    assert body["created_at"].endswith("Z")
