"""Hostile candidates are stopped by their limits, and the next candidate is served without harm."""

import contextlib
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from evaluation.database.dataset import SIZES
from evaluation.errors import CandidateError
from evaluation.measure.work import fetch
from evaluation.serving import sandbox
from evaluation.serving.spawn import MARK, processes_with
from evaluation.serving.workbench import Stage, open_workbench
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


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with open_workbench() as bench, bench.stage(SIZES["small"]) as stage:
        yield stage


def processes_of(stage: Stage, candidate: Path) -> list[int]:
    """The serving processes of a candidate and their descendants, found by the mark in their environment."""
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
    assert not Path("/tmp/hofaz9-filler").exists() or sandbox.kind() != "bubblewrap"
    Path("/tmp/hofaz9-filler").unlink(missing_ok=True)
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
    if sandbox.kind() == "bubblewrap":
        assert seen[1] == "False", "the candidate can read the tests"
    if sandbox.kind() != "limits":
        assert seen[3] != "0", "the candidate runs as root"


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
