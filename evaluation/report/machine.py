"""What a report tells of the machine, its system and the checkout."""

import os
import platform
from contextlib import suppress
from pathlib import Path

from evaluation.candidates.git import output_of_git
from evaluation.errors import InfrastructureError

ROOT = Path(__file__).parents[2]


def machine() -> dict[str, str]:
    """The facts by the names that readers of reports look for; what is not known is an empty string."""
    commit, branch = checkout(ROOT)
    return {
        "python": platform.python_version(),
        "python_version": platform.python_version(),
        "platform": platform.platform(),
        "os": platform.system(),
        "os_release": platform.release(),
        "architecture": platform.machine(),
        "hostname": platform.node(),
        "cpus": str(os.cpu_count()),
        "git_commit": commit,
        "git_branch": branch,
    }


def checkout(folder: Path) -> tuple[str, str]:
    """The commit and the branch of a clone (HEAD where none is checked out); empty for another folder."""
    ours = ("-c", f"safe.directory={folder}")
    with suppress(InfrastructureError):
        found = output_of_git(folder, *ours, "rev-parse", "--show-toplevel", "HEAD", "--abbrev-ref", "HEAD")
        top, commit, branch = found.splitlines()
        # A folder without a repository of its own may lie in somebody else's.
        if Path(top) == folder.resolve():
            return commit, branch
    return "", ""
