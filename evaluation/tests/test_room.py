"""What is missing on the machine is told before anything is measured."""

import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import psycopg
import pytest

from evaluation.errors import InfrastructureError
from evaluation.machine.room import LEFT_BYTES, MEMORY, available_bytes, in_memory, make_room
from evaluation.serving.workbench import open_workbench

ROOT = Path(__file__).parents[2]


def evaluation(tmp_path: Path, limits: str, *arguments: object) -> tuple[int, str]:
    """Exit status and messages of a grading under limits of the shell."""
    script = f'{limits}; exec "$@"'
    command = ["sh", "-c", script, "sh", sys.executable, "evaluation/evaluation.py", "grade"]
    command += ["repository_after", *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout + done.stderr


def test_too_few_open_files_are_told_first(tmp_path: Path) -> None:
    status, message = evaluation(tmp_path, "ulimit -n 256", "--out", tmp_path)

    assert status == 2
    assert "only 256 open files are allowed" in message
    assert "services:" not in message


@pytest.mark.parametrize("door", [["evaluation.faults", "--candidate"], ["evaluation.serving.demo"]])
def test_too_few_open_files_are_told_by_what_serves_without_a_report(door: list[str]) -> None:
    command = ["sh", "-c", 'ulimit -n 256; exec "$@"', "sh", sys.executable, "-m", *door, "repository_after"]

    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)

    assert done.returncode == 2
    assert done.stderr == "only 256 open files are allowed (ulimit -n), 2048 are needed\n"


def test_a_low_soft_limit_is_raised() -> None:
    program = "import resource; from evaluation.machine.room import make_room; make_room([])"
    program += "; print(resource.getrlimit(resource.RLIMIT_NOFILE)[0])"
    command = ["sh", "-c", 'ulimit -S -n 256; exec "$@"', "sh", sys.executable, "-c", program]

    assert int(subprocess.run(command, cwd=ROOT, capture_output=True, text=True).stdout) >= 2048


@pytest.mark.parametrize("option", ["--out", "--junit", "--markdown"])
def test_reports_that_cannot_be_written_are_told_first(tmp_path: Path, option: str) -> None:
    (tmp_path / "file").touch()

    status, message = evaluation(tmp_path, ":", "--out", tmp_path, option, tmp_path / "file" / "below" / "x")

    assert status == 2
    assert "cannot be written" in message
    assert "services:" not in message


def test_a_full_disk_is_told_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=7_000_000))

    with pytest.raises(InfrastructureError, match=r"7 MB are free in .*, 2000 are needed"):
        make_room([tmp_path])


def test_databases_lie_in_memory_unless_it_has_too_little_room_or_another_place_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TMPDIR", raising=False)
    if (
        available_bytes() < 2 * LEFT_BYTES
        or not MEMORY.is_mount()
        or shutil.disk_usage(MEMORY).free < LEFT_BYTES
    ):
        pytest.skip("this machine has too little memory")

    with open_workbench() as bench, psycopg.connect(bench.services.postgres_url) as connection:
        place = connection.execute("show data_directory").fetchone()

    assert place is not None
    assert MEMORY in Path(place[0]).parents
    assert not Path(place[0]).exists()
    assert in_memory(1) == MEMORY
    assert in_memory(10**9) is None
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    assert in_memory(1) is None
