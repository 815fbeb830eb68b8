"""Runs git as it is on every machine: without the settings and programs of whoever calls."""

import os
import subprocess
from pathlib import Path

from evaluation.errors import InfrastructureError
from evaluation.machine.environment import passed_on

NO_SETTINGS = {"HOME": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "GIT_TERMINAL_PROMPT": "0"}


def git(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run git in a folder; the caller looks at the exit status. InfrastructureError where git is missing."""
    environment = passed_on() | NO_SETTINGS | variables
    try:
        return subprocess.run(
            ["git", *arguments],
            cwd=folder,
            env=environment,
            capture_output=True,
            encoding="utf-8",
            errors="surrogateescape",
        )
    except FileNotFoundError as error:
        raise InfrastructureError("git was not found: it is needed to read and to apply patches") from error


def output_of_git(folder: Path, *arguments: str, **variables: str) -> str:
    """What a git command prints; InfrastructureError when it fails."""
    done = git(folder, *arguments, **variables)
    if done.returncode:
        raise InfrastructureError(f"git {arguments[0]} failed: {done.stderr.strip()}")
    return done.stdout
