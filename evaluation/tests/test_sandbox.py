"""Hostile candidates are stopped by their limits, and the next candidate is served without harm."""

import contextlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from evaluation.candidates.folder import copied
from evaluation.errors import CandidateError
from evaluation.measure.work import fetch
from evaluation.serving import sandbox
from evaluation.serving.leftovers import numbers_of, sweep
from evaluation.serving.spawn import MARK, processes_with
from evaluation.serving.workbench import Stage
from tests.observing import until

ROOT = Path(__file__).parents[2]

HOSTILE = {
    "forks": """
import time
for _ in range(40):
    if os.fork() == 0:
        os.setsid()
        time.sleep(600)
""",
    "allocates": "hoard = [bytearray(1 << 28) for _ in range(10_000)]",
    "ignores-sigterm": "signal.signal(signal.SIGTERM, signal.SIG_IGN)",
    "fills": """
with open("/tmp/hofaz9-filler", "wb") as file:
    for _ in range(4_000):
        file.write(bytes(1 << 20))
""",
}


def processes_of(stage: Stage, candidate: Path) -> list[int]:
    """The workers of a candidate and their descendants, found by the mark in their environment."""
    forkserver = stage.forkservers.of(candidate.resolve())
    return [pid for pid in processes_with(f"{MARK}={forkserver.mark}") if pid != forkserver.process.pid]


@pytest.mark.parametrize("behaviour", list(HOSTILE))
def test_a_hostile_candidate_is_stopped_and_the_next_is_unharmed(
    stage: Stage, tmp_path: Path, behaviour: str
) -> None:
    hostile = tmp_path / "hostile"
    shutil.copytree(ROOT / "repository_after", hostile, ignore=shutil.ignore_patterns("__pycache__"))
    main = hostile / "main.py"
    main.write_text(main.read_text() + "\nimport os, signal, sys\n" + HOSTILE[behaviour])
    tmp_path.chmod(0o755)

    started = time.monotonic()
    expected = (CandidateError,) if behaviour in ("allocates", "fills") else ()
    with contextlib.suppress(*expected), stage.serving(hostile):
        pass
    took_s = time.monotonic() - started

    assert took_s < 45
    assert until(lambda: not processes_of(stage, hostile))
    assert not Path("/tmp/hofaz9-filler").exists()
    with stage.serving(ROOT / "repository_after") as server:
        assert fetch(server, "/products/1")[0] == 200


def test_a_candidate_can_read_neither_tests_nor_secrets(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_OF_THE_HARNESS", "x")
    curious = tmp_path / "curious"
    shutil.copytree(ROOT / "repository_after", curious, ignore=shutil.ignore_patterns("__pycache__"))
    main = curious / "main.py"
    main.write_text(
        main.read_text() + "\nimport os\nprint('SEES', os.path.exists('tests/conftest.py'), "
        "'SECRET_OF_THE_HARNESS' in os.environ, os.geteuid(), flush=True)\n"
    )
    tmp_path.chmod(0o755)

    with stage.serving(curious) as server:
        seen = next(line for line in server.log_text().splitlines() if line.startswith("SEES")).split()

    assert seen[2] == "False", "the candidate can read the environment of the harness"
    assert seen[1] == "False", "the candidate can read the tests"
    assert sandbox.could_read().startswith("nothing of tests")
    if sandbox.kind() != "limits":
        assert seen[3] != "0", "the candidate runs as root"


def test_a_program_of_the_candidate_gets_the_python_and_the_packages_of_the_candidate(
    stage: Stage, tmp_path: Path
) -> None:
    starting = copied(ROOT / "repository_after", tmp_path / "starting")
    main = starting / "main.py"
    main.write_text(
        main.read_text() + "\nimport subprocess, sys\n"
        "program = [sys.executable, '-c', 'import sys, redis; print(sys.version, sys.prefix)']\n"
        "told = subprocess.run(program, capture_output=True, text=True).stdout.strip()\n"
        "print('SAME', told == f'{sys.version} {sys.prefix}', flush=True)\n"
    )
    tmp_path.chmod(0o755)

    with stage.serving(starting) as server:
        assert "SAME True" in server.log_text()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a server a uid of its own")
def test_a_uid_is_held_until_its_server_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "UIDS", range(60_998, 61_000))
    held = [sandbox.hold_uid(), sandbox.hold_uid()]
    assert {one[0] for one in held if one} == {60_998, 60_999}

    with pytest.raises(OSError, match="taken"):
        sandbox.hold_uid()

    for one in held:
        assert one
        one[1].close()
    again = sandbox.hold_uid()
    assert again
    again[1].close()


CURIOUS = """
import importlib.util, pathlib
left = [pathlib.Path(name, "hofaz9-channel") for name in ("/tmp", "/var/tmp", "/dev/shm")]
shared = pathlib.Path("/proc/sysvipc/shm").read_text().splitlines()
print("FOUND", [str(path) for path in left if path.exists()], len(shared),
      [name for name in ("repository_before", "repository_after", "tests", "patches", "instances")
       if importlib.util.find_spec(name)], flush=True)
for path in left:
    path.write_text("a message to the next one")
import ctypes
ctypes.CDLL(None).shmget(0x9, 4096, 0o1600)
"""


def test_nothing_of_one_serving_is_seen_by_the_next_and_nothing_of_ours_can_be_imported(
    stage: Stage, tmp_path: Path
) -> None:
    curious = tmp_path / "curious"
    shutil.copytree(ROOT / "repository_after", curious, ignore=shutil.ignore_patterns("__pycache__"))
    main = curious / "main.py"
    main.write_text(main.read_text() + CURIOUS)
    tmp_path.chmod(0o755)

    found = []
    for _ in range(2):
        with stage.serving(curious) as server:
            found += [line for line in server.log_text().splitlines() if line.startswith("FOUND")]

    assert found == ["FOUND [] 1 []"] * 2
    assert not any(Path(name, "hofaz9-channel").exists() for name in ("/tmp", "/var/tmp", "/dev/shm"))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another uid")
def test_what_a_uid_leaves_is_swept() -> None:
    held = sandbox.hold_uid()
    assert held
    uid, holder = held
    leaves = (
        "import ctypes, os, sys, pathlib; c = ctypes.CDLL(None); os.setuid(int(sys.argv[1]))\n"
        "folders = [pathlib.Path(f) / f'left-{os.getuid()}' for f in ('/tmp', '/var/tmp', '/dev/shm')]\n"
        "[(f.mkdir(), (f / 'file').touch(), os.symlink('/etc', f'{f}-link')) for f in folders]\n"
        "c.shmget(0, 4096, 0o1600); c.msgget(0, 0o1600); c.semget(0, 1, 0o1600)\n"
    )
    subprocess.run([sys.executable, "-c", leaves, str(uid)], check=True, cwd="/")
    tables = [Path("/proc/sysvipc", kind) for kind in ("shm", "msg", "sem")]
    places = [Path(folder) for folder in ("/tmp", "/var/tmp", "/dev/shm")]
    assert [len(numbers_of(table, uid)) for table in tables] == [1, 1, 1]

    sweep(uid)
    holder.close()

    assert [len(numbers_of(table, uid)) for table in tables] == [0, 0, 0]
    assert not [path for place in places for path in place.glob(f"left-{uid}*")]
    assert Path("/etc").is_dir()


SERVES_THE_BASELINE = """
import sys
from pathlib import Path
from evaluation.candidates.folder import copied
from evaluation.database.dataset import SIZES
from evaluation.measure.work import fetch
from evaluation.serving.workbench import open_workbench

with open_workbench() as bench, bench.stage(SIZES["small"]) as stage:
    served = copied(Path(sys.argv[1]), bench.folder / "served" / "repository_before")
    with stage.serving(served) as server:
        print(fetch(server, "/health")[0])
"""


@pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("setpriv"),
    reason="only root with setpriv can give up rights of root",
)
def test_root_with_the_rights_it_has_in_a_container_can_serve_a_candidate() -> None:
    rights = "--bounding-set=-dac_read_search,-sys_admin"
    command = ["setpriv", rights, sys.executable, "-c", SERVES_THE_BASELINE, str(ROOT / "repository_before")]

    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)

    assert done.stdout == "200\n", done.stderr
