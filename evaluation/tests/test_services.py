"""A killed harness leaves nothing behind; incomplete datasets and folders are refused."""

import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest

from evaluation.candidates.folder import checked_directory
from evaluation.database.dataset import ensure_template, expected_facts, verify
from evaluation.errors import CandidateError, InfrastructureError, UsageError
from evaluation.services.cleaner import is_alive
from evaluation.serving.workbench import open_workbench

ROOT = Path(__file__).parents[2]
KILLED = """
import sys, time
from evaluation.serving.workbench import open_workbench
with open_workbench() as bench:
    import psycopg
    with psycopg.connect(bench.services.postgres_url) as c:
        pid = c.execute("select pg_backend_pid()").fetchone()[0]
        folder = c.execute("show data_directory").fetchone()[0]
    print(bench.cleaner.child.pid, bench.folder, folder, flush=True)
    time.sleep(60)
"""


def test_a_killed_harness_leaves_no_process_and_no_folder() -> None:
    harness = subprocess.Popen([sys.executable, "-c", KILLED], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert harness.stdout is not None
    cleaner, folder, cluster = harness.stdout.readline().split()
    server = int((Path(cluster) / "postmaster.pid").read_text().split()[0])
    assert is_alive(server)

    harness.kill()
    harness.wait()
    harness.stdout.close()
    deadline = time.monotonic() + 15
    while is_alive(int(cleaner)) and time.monotonic() < deadline:
        time.sleep(0.05)

    assert not is_alive(server)
    assert not Path(folder).exists()
    assert not Path(cluster).exists()


def test_an_incomplete_dataset_is_refused() -> None:
    with open_workbench() as bench:
        url = bench.services.postgres_url
        template = ensure_template(url, 100)
        broken = url.replace("/postgres", f"/{template}")
        with psycopg.connect(broken) as connection:
            connection.execute("delete from reviews where id = 800")
        with pytest.raises(InfrastructureError, match="incomplete"):
            verify(broken, 100)

    assert expected_facts(100)[-1] == 785


def test_the_message_for_a_folder_that_is_not_a_candidate_names_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(CandidateError, match=r"main\.py"):
        checked_directory(tmp_path)
    with pytest.raises(UsageError, match="no candidate folder"):
        checked_directory(tmp_path / "nowhere")
