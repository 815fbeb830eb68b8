"""The entry point of the container: runs a command as an unprivileged user, then copies its reports out.

The folder mounted at /reports belongs to the caller, who started the container. The command runs neither as
root nor as the caller. Then this process switches to the caller's uid and copies the reports, so that they
all belong to the caller.
"""

import os
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from evaluation.errors import NO_VERDICT

USER = "hofaz9"
WRITTEN = Path(__file__).parents[1] / "reports"
MOUNTED = Path("/reports")


def main() -> int:
    """Run the command and copy its reports; return its exit status."""
    # In a session of its own, the command gets a Ctrl-C only once: from `interrupt`.
    child = subprocess.Popen(sys.argv[1:], user=USER, group=USER, extra_groups=[], start_new_session=True)

    def interrupt(*_: object) -> None:
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGINT)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, interrupt)
    status = child.wait()
    try:
        hand_over(WRITTEN, MOUNTED)
    except OSError as error:
        print(f"no verdict: the reports cannot be copied to {MOUNTED}: {error}", file=sys.stderr)
        return NO_VERDICT
    return status if status >= 0 else 128 - status


def hand_over(written: Path, mounted: Path) -> None:
    """Switch to the owner of the mounted folder and copy all reports."""
    owner = mounted.stat()
    os.setgroups([])
    os.setgid(owner.st_gid)
    os.setuid(owner.st_uid)
    for found in written.iterdir():
        if found.is_dir():
            shutil.copytree(found, mounted / found.name, symlinks=True, dirs_exist_ok=True)
        else:
            shutil.copyfile(found, mounted / found.name)


if __name__ == "__main__":
    raise SystemExit(main())
