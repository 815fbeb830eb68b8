"""Which catalog is meant, and that a folder that does not exist is a usage error everywhere."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from evaluation.candidates.folder import meant_by

ROOT = Path(__file__).parents[2]
BEFORE = str(ROOT / "repository_before")
NOWHERE = "repository_befor"
DOORS = {
    "evaluate": ["evaluation/evaluation.py", "--candidate", NOWHERE],
    "grade": ["evaluation/evaluation.py", "grade", NOWHERE],
    "regrade": ["evaluation/evaluation.py", "regrade", NOWHERE],
    "explain": ["evaluation/evaluation.py", "explain", NOWHERE],
    "serve": ["-m", "evaluation.serving.demo", NOWHERE],
    "faults": ["-m", "evaluation.faults", "--candidate", NOWHERE],
    "pytest": ["-m", "pytest", "-q", "-p", "no:cacheprovider", "tests", "--candidate", NOWHERE],
}


def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run Python in this repository."""
    environment = {"PATH": os.environ["PATH"], **variables}
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)


@pytest.mark.parametrize(
    ("variables", "folder"),
    [
        ({}, "repository_after"),
        ({"PYTHONPATH": f"/nowhere:{ROOT}"}, "repository_after"),
        ({"PYTHONPATH": f"{ROOT}:{BEFORE}"}, BEFORE),
        ({"TARGET_REPO": "repository_before"}, "repository_before"),
        ({"TARGET_REPO": "of_target", "PYTHONPATH": BEFORE}, "of_target"),
        ({"REPO_PATH": "of_path", "TARGET_REPO": "of_target", "PYTHONPATH": BEFORE}, "of_path"),
        ({"REPO_PATH": "", "TARGET_REPO": ""}, "repository_after"),
    ],
)
def test_a_caller_may_name_the_folder_by_a_variable(variables: dict[str, str], folder: str) -> None:
    assert meant_by(variables) == folder


@pytest.mark.parametrize("name", ["REPO_PATH", "TARGET_REPO", "PYTHONPATH"])
def test_the_suite_tells_which_catalog_it_tested(name: str) -> None:
    command = ("-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/test_indexes.py", "--collect-only")

    done = run(*command, **{name: BEFORE})

    assert f"candidate: {BEFORE}" in done.stdout.splitlines()


@pytest.mark.parametrize("door", list(DOORS))
def test_a_misspelled_folder_is_a_usage_error(door: str) -> None:
    done = run(*DOORS[door])

    assert done.returncode == 64
    assert NOWHERE in done.stdout + done.stderr


@pytest.mark.parametrize(
    "command",
    [
        ["evaluation/evaluation.py", f"--{NOWHERE}"],
        ["-m", "evaluation.serving.demo", BEFORE, f"--{NOWHERE}"],
        ["-m", "evaluation.serving.demo", BEFORE, "--services", NOWHERE],
        ["-m", "evaluation.faults", f"--{NOWHERE}"],
        ["-m", "evaluation.faults", NOWHERE],
        ["-m", "evaluation.proof", NOWHERE],
        ["-m", "evaluation.proof", "mutants", f"--{NOWHERE}"],
        ["-m", "evaluation.proof", "mutants", NOWHERE, "R02-reviews-one-by-one"],
        ["-m", "evaluation.proof", "determinism", NOWHERE],
        ["-m", "evaluation.proof.refit", "HEAD", f"--{NOWHERE}"],
    ],
    ids=" ".join,
)
def test_a_misspelled_option_or_name_is_a_usage_error(command: list[str]) -> None:
    done = run(*command)

    assert done.returncode == 64
    assert NOWHERE in done.stderr.splitlines()[-1]


def made(verb: list[str], venv: str = sys.prefix) -> list[str]:
    """The last line of `make`, which fails, with the programs of a virtual environment."""
    command = ["make", "--silent", f"VENV={venv}", "-o", f"{venv}/ready", *verb]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2
    return done.stdout.splitlines()[-1:]


@pytest.mark.parametrize(
    "verb",
    [
        ["grade", f"PATHS={NOWHERE}"],
        *([verb, f"CANDIDATE={NOWHERE}"] for verb in ("evaluate", "serve", "faults", "benchmark")),
        *([verb, "SAMPLE=many"] for verb in ("mutants", "alternatives", "cheats")),
    ],
    ids=lambda verb: verb[0],
)
def test_make_tells_the_exit_status_that_it_cannot_return(verb: list[str]) -> None:
    assert made(verb) == ["exit status: 64"]


@pytest.mark.parametrize(("verb", "program"), [("test", "python"), ("check", "ruff"), ("check", "mypy")])
def test_make_tells_the_exit_status_of_tests_and_checks(verb: str, program: str, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    for name in ("python", "ruff", "mypy", "lint-imports"):
        path = tmp_path / "bin" / name
        path.write_text(f"#!/bin/sh\nexit {3 if name == program else 0}\n")
        path.chmod(0o755)

    assert made([verb], str(tmp_path)) == ["exit status: 3"]
