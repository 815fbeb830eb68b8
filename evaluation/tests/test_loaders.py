"""The list form of the instance can be loaded by `datasets` and `swebench`, where they are installed."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from evaluation.candidates.folder import contents
from evaluation.candidates.git import output_of_git
from evaluation.instance import list_form

ROOT = Path(__file__).parents[2]
LIST = ROOT / "instances/HOFAZ9.list.json"
NOT_COPIED = (".git", ".venv", "reports", "__pycache__", ".*_cache")


@pytest.fixture(scope="session")
def row() -> dict[str, Any]:
    """The only row of the list form."""
    [row] = json.loads(LIST.read_text())
    assert isinstance(row, dict)
    return row


def run_eval_script(place: Path, folder: Path, programs: Path) -> subprocess.CompletedProcess[str]:
    """Run `instances/eval.sh` from a folder, with a Python that only tells what it was asked to run."""
    programs.mkdir()
    (programs / "python").write_text(
        '#!/bin/sh\necho "python $*"\ncat tests/conftest.py repository_before/crud.py\n'
    )
    (programs / "python").chmod(0o755)
    environment = {"PATH": f"{programs}:{os.environ['PATH']}", "HOFAZ9_TESTBED": str(place)}
    command = ["bash", str(ROOT / "instances/eval.sh")]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


def told(folder: Path) -> str:
    """What git tells of the work in a folder."""
    return output_of_git(folder, "diff", "HEAD") + output_of_git(folder, "status", "--porcelain", "--ignored")


@pytest.fixture
def small_testbed(tmp_path: Path) -> Path:
    """A repository with a suite and a catalog, and with work in it that is not committed."""
    folder = tmp_path / "testbed"
    for name in ("tests/conftest.py", "repository_before/crud.py"):
        (folder / name).parent.mkdir(parents=True)
        (folder / name).write_text(f"# {name} as committed\n")
    output_of_git(folder, "init", "--quiet")
    output_of_git(folder, "add", "--all")
    author = ("-c", "user.name=t", "-c", "user.email=t@example.org")
    output_of_git(folder, *author, "commit", "--quiet", "--message=base")
    (folder / "tests/conftest.py").write_text("# the candidate's own\n")
    (folder / "repository_before/crud.py").write_text("# solved\n")
    (folder / "conftest.py").write_text("# the candidate's own\n")
    return folder


def test_the_eval_script_runs_our_tests_on_the_catalog_and_changes_nothing(
    small_testbed: Path, tmp_path: Path
) -> None:
    before = told(small_testbed)

    done = run_eval_script(small_testbed, tmp_path, tmp_path / "programs")

    assert done.returncode == 0, done.stderr
    [command, *files] = done.stdout.splitlines()
    assert command.startswith("python -m pytest ")
    assert files == ["# tests/conftest.py as committed", "# solved"]
    assert told(small_testbed) == before


@pytest.mark.parametrize("place", ["missing", "no repository"])
def test_the_eval_script_runs_nothing_and_changes_nothing_elsewhere(
    place: str, small_testbed: Path, tmp_path: Path
) -> None:
    (tmp_path / "no repository").mkdir()
    before = told(small_testbed)

    done = run_eval_script(tmp_path / place, small_testbed, tmp_path / "programs")

    assert done.returncode != 0
    assert done.stdout == ""
    assert "Start Test Output" not in done.stderr
    assert told(small_testbed) == before


@pytest.fixture
def testbed(tmp_path: Path) -> Path:
    """A clone of this repository, like the one in the image that the list form names."""
    folder = tmp_path / "testbed"
    shutil.copytree(ROOT, folder, ignore=shutil.ignore_patterns(*NOT_COPIED))
    author = ("-c", "user.name=t", "-c", "user.email=t@example.org")
    for command in (("init", "-q"), ("add", "-A"), (*author, "commit", "-qm", "base")):
        subprocess.run(["git", *command], cwd=folder, check=True)
    return folder


def test_the_list_form_is_up_to_date_with_instance_and_patch(row: dict[str, Any]) -> None:
    instance = json.loads((ROOT / "instances/instance.json").read_text())

    assert row == list_form(instance), "update it with: python -m evaluation.instance"


def test_no_test_id_contains_a_space(row: dict[str, Any]) -> None:
    matrix = json.loads((ROOT / "instances/mutants.json").read_text())
    ids = {*row["FAIL_TO_PASS"], *row["PASS_TO_PASS"]}
    ids |= {nodeid for mutant in matrix.values() for nodeid in mutant["killed_by"]}

    assert [nodeid for nodeid in ids if " " in nodeid] == []


def test_the_patch_of_the_list_form_applies_to_the_whole_repository(
    row: dict[str, Any], testbed: Path
) -> None:
    subprocess.run(["git", "apply", "-"], cwd=testbed, input=row["patch"], text=True, check=True)

    assert contents(testbed / "repository_before") == contents(ROOT / "repository_after")


def test_the_datasets_package_reads_every_field(
    row: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    datasets = pytest.importorskip("datasets", reason="the datasets package is not installed")

    loaded = datasets.load_dataset("json", data_files=str(LIST), split="train", cache_dir=str(tmp_path))

    assert loaded.num_rows == 1
    assert loaded[0].pop("created_at").isoformat() == row["created_at"].removesuffix("Z")
    assert {**loaded[0], "created_at": row["created_at"]} == row


def test_swebench_builds_a_test_spec(row: dict[str, Any]) -> None:
    utils = pytest.importorskip("swebench.harness.utils", reason="the swebench package is not installed")

    [loaded] = utils.load_swebench_dataset(str(LIST), "test", ["HOFAZ9"])
    spec = utils.make_test_spec(loaded)
    [gold] = utils.get_predictions_from_file("gold", str(LIST), "test")

    assert row["FAIL_TO_PASS"] == spec.FAIL_TO_PASS
    assert row["PASS_TO_PASS"] == spec.PASS_TO_PASS
    assert "SWEBENCH_TEST_EXIT_CODE=$?" in spec.eval_script
    assert gold["model_patch"] == row["patch"]


@pytest.mark.parametrize("solved", [False, True])
def test_swebench_grades_the_output_of_the_eval_script(
    row: dict[str, Any], testbed: Path, tmp_path: Path, solved: bool
) -> None:
    utils = pytest.importorskip("swebench.harness.utils", reason="the swebench package is not installed")
    grading = pytest.importorskip("swebench.harness.grading")
    few = {
        "FAIL_TO_PASS": [t for t in row["FAIL_TO_PASS"] if "indexes.py" in t],
        "PASS_TO_PASS": [t for t in row["PASS_TO_PASS"] if "bad_questions" in t or "total_counts" in t],
    }
    spec = utils.make_test_spec({**row, **few})
    if solved:
        subprocess.run(["git", "apply", "-"], cwd=testbed, input=row["patch"], text=True, check=True)
    (testbed / "tests/conftest.py").write_text("raise RuntimeError('not ours')")
    (testbed / "conftest.py").write_text("raise RuntimeError('not ours')")
    (tmp_path / "eval.sh").write_text(spec.eval_script)
    environment = {
        **os.environ,
        "HOFAZ9_TESTBED": str(testbed),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTEST_ADDOPTS": "-k 'test_indexes or bad_questions or total_counts'",
    }

    with (tmp_path / "log").open("w") as log:
        subprocess.run(
            ["bash", str(tmp_path / "eval.sh")], env=environment, stdout=log, stderr=log, timeout=300
        )
    prediction = {"instance_id": "HOFAZ9", "model_patch": row["patch"]}
    report = grading.get_eval_report(spec, prediction, str(tmp_path / "log"), True)["HOFAZ9"]

    output = (tmp_path / "log").read_text()[-3000:]
    assert report["resolved"] == solved, output
    assert report["tests_status"]["PASS_TO_PASS"] == {"success": few["PASS_TO_PASS"], "failure": []}, output
    assert bool(report["tests_status"]["FAIL_TO_PASS"]["failure"]) != solved, output
