"""Programs that are tied to this process: the kernel kills them when it ends, however it ends.

`python -m evaluation.services.tied PID COMMAND...` becomes the command, tied to its parent PID.
"""

import ctypes
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

ROOT = Path(__file__).parents[2]
PR_SET_PDEATHSIG = 1
RUNNING: set["subprocess.Popen[str]"] = set()
LOCK = threading.Lock()


def run(
    command: list[str],
    *,
    input_text: str | None = None,
    environment: dict[str, str] | None = None,
    timeout_s: float | None = None,
) -> "subprocess.CompletedProcess[str]":
    """Run a command in this repository, as subprocess.run does; TimeoutExpired when it takes too long."""
    tied = [sys.executable, "-m", "evaluation.services.tied", str(os.getpid()), *command]
    with subprocess.Popen(
        tied,
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL if input_text is None else subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
    ) as process:
        with LOCK:
            RUNNING.add(process)
        try:
            stdout, stderr = process.communicate(input_text, timeout_s)
        finally:
            process.kill()
            with LOCK:
                RUNNING.discard(process)
    return subprocess.CompletedProcess(command, process.returncode, stdout, stderr)


def kill_all() -> None:
    """Kill whatever runs, so that nobody waits for its end."""
    with LOCK:
        for process in RUNNING:
            process.kill()


def main() -> None:
    """Become the command."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    # The parent may have ended before it could have been noticed.
    if os.getppid() == int(sys.argv[1]):
        os.execvp(sys.argv[2], sys.argv[2:])


if __name__ == "__main__":
    main()
