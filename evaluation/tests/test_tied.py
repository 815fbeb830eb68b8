"""Programs of ours end with the harness, however that ends."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from evaluation.services import tied
from evaluation.services.cleaner import is_alive
from tests.observing import until

ROOT = Path(__file__).parents[2]
SLEEPS = [sys.executable, "-c", "import time; time.sleep(60)"]
HARNESS = """
import sys
from evaluation.services import tied
tied.run(["sh", "-c", "echo $$ > \\"$1\\"; exec sleep 60", "sh", sys.argv[1]])
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_killed_harness_takes_its_programs_along(tmp_path: Path, number: signal.Signals) -> None:
    noted = tmp_path / "pid"
    harness = subprocess.Popen([sys.executable, "-c", HARNESS, noted], cwd=ROOT, stderr=subprocess.DEVNULL)
    assert until(lambda: noted.exists() and noted.read_text().endswith("\n"), 20.0)

    os.kill(harness.pid, number)
    harness.wait()

    assert until(lambda: not is_alive(int(noted.read_text())), 20.0)


def test_programs_can_be_killed_while_others_wait_for_them() -> None:
    found: list[int] = []
    waiting = threading.Thread(target=lambda: found.append(tied.run(SLEEPS).returncode))
    started = time.monotonic()
    waiting.start()
    assert until(lambda: bool(tied.RUNNING), 20.0)

    tied.kill_all()
    waiting.join()

    assert found == [-signal.SIGKILL]
    assert time.monotonic() - started < 30


def test_a_program_gets_its_input_and_gives_its_output() -> None:
    done = tied.run([sys.executable, "-c", "print(input()[::-1])"], input_text="abc\n")

    assert (done.returncode, done.stdout) == (0, "cba\n")


def test_a_program_that_takes_too_long_is_killed() -> None:
    with pytest.raises(subprocess.TimeoutExpired):
        tied.run(SLEEPS, timeout_s=0.5)

    assert not tied.RUNNING
