"""The tests run whatever else is installed beside pytest, and where nothing can be written."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]

ROOT = Path(__file__).parents[2]
PLUGIN = """
def pytest_configure(config):
    raise RuntimeError("a plugin that nobody asked for")
"""


FEW = "evaluation/tests/test_criteria.py"
BURST = "tests/test_statements.py::test_five_hundred_clients_on_one_cold_page_are_answered_by_few_statements"
NEEDS_DOCKER = "evaluation/tests/test_containers.py::test_a_killed_harness_leaves_no_container"


def run_pytest(*options: str, tests: str = FEW, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a small part of our tests."""
    command = [sys.executable, "-m", "pytest", "-q", *options, tests]
    environment = {"PATH": os.environ["PATH"], **variables}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)


def test_a_plugin_that_is_installed_beside_is_not_loaded(tmp_path: Path) -> None:
    (tmp_path / "beside.py").write_text(PLUGIN)
    metadata = tmp_path / "beside-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: beside\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[pytest11]\nbeside = beside\n")

    done = run_pytest("-p", "no:cacheprovider", PYTHONPATH=str(tmp_path))

    assert done.returncode == 0, done.stdout + done.stderr


def test_a_folder_that_cannot_be_written_is_no_failure() -> None:
    done = run_pytest("-o", "cache_dir=/proc/nowhere")

    assert done.returncode == 0, done.stdout + done.stderr


def test_a_low_soft_limit_of_open_files_is_raised_for_five_hundred_clients() -> None:
    command = ["sh", "-c", 'ulimit -S -n 256; exec "$@"', "sh", sys.executable, "-m", "pytest", "-q"]
    command += ["-p", "no:cacheprovider", BURST]

    done = subprocess.run(command, cwd=ROOT, env={"PATH": os.environ["PATH"]}, capture_output=True, text=True)

    assert done.returncode == 0, done.stdout + done.stderr


def test_what_a_machine_cannot_test_is_told(tmp_path: Path) -> None:
    done = run_pytest("-p", "no:cacheprovider", tests=NEEDS_DOCKER, PATH=str(tmp_path))

    [line] = [line for line in done.stdout.splitlines() if line.startswith("not tested here")]
    assert line.startswith("not tested here (1): no Docker engine")


@pytest.mark.parametrize("status", [0, 1])
def test_what_could_not_be_tested_stands_in_the_summary_of_every_pull_request(
    status: int, tmp_path: Path
) -> None:
    line = "not tested here (4): no Docker engine"
    make = tmp_path / "make"
    make.write_text(f"#!/bin/sh\necho '1 passed'\necho '{line}'\nexit {status}\n")
    make.chmod(0o755)
    summary = tmp_path / "summary"
    variables = {"RUNNER_TEMP": str(tmp_path), "GITHUB_STEP_SUMMARY": str(summary)}
    variables["PATH"] = f"{tmp_path}:{os.environ['PATH']}"
    workflow = yaml.safe_load((ROOT / ".github/workflows/evaluate.yml").read_text(encoding="utf-8"))
    steps = workflow["jobs"]["verbs"]["steps"]
    [testing] = [step for step in steps if step.get("run", "").startswith("make ${{ matrix.verb }}")]
    [telling] = [step for step in steps if "matrix.verb == 'test'" in step.get("if", "")]

    def run(step: dict[str, str]) -> int:
        # As GitHub starts a step that names this shell, and one that names none.
        shell = {"bash": ["bash", "-eo", "pipefail"], None: ["bash", "-e"]}[step.get("shell")]
        script = step["run"].replace("${{ matrix.verb }}", "test")
        return subprocess.run([*shell, "-c", script], cwd=ROOT, env=variables).returncode

    assert (run(testing), run(telling)) == (status, 0)
    assert summary.read_text().splitlines() == [line]
    assert telling["if"].startswith("always() ")
