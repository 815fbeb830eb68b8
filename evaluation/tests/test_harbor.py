"""Task folders for Harbor: what they hold, and what Harbor reads in them."""

import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from evaluation.candidates.folder import contents
from evaluation.errors import UsageError
from evaluation.harbor.folders import TEMPLATES, Wishes, write_task
from evaluation.harbor.stages import stages_for
from evaluation.harbor.tasks import ROOT, WHOLE, Task, read_tasks

READ_BY_HARBOR = """
import json, sys
from harbor.models.task.task import Task
from harbor.models.task import verifier_mode

task = Task(sys.argv[1])
verifier = verifier_mode.resolve_verifier_environment_definition(task.config, task.paths)
found = {
    "name": task.name,
    "instruction": task.instruction,
    "solve": str(task.paths.discovered_solve_path),
    "config": task.config.model_dump(mode="json"),
    "mode": verifier_mode.resolve_task_verifier_mode(task.config).value,
    "context": str(verifier.directory),
    "brings_its_tests": verifier.bundled_tests,
}
print(json.dumps(found))
"""
NO_LISTS = ["", "[1]", "[]", "{}", "null", '[{"instance_id": "A"}]']
NO_LISTS += [json.dumps([{"instance_id": "../A", "problem_statement": "", "patch": ""}])]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The task folder of the instance that is committed."""
    [task] = read_tasks([WHOLE])
    return write_task(task, tmp_path_factory.mktemp("tasks"))


def files(folder: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def test_there_is_one_folder_for_each_instance(tmp_path: Path) -> None:
    rows = json.loads(WHOLE.read_text())
    more = tmp_path / "more.json"
    more.write_text(
        json.dumps([{**rows[0], "instance_id": "HOFAZ9-R08", "problem_statement": '# Cache "it"\n'}])
    )

    written = [write_task(task, tmp_path / "tasks") for task in read_tasks([WHOLE, more])]

    assert [path.name for path in written] == ["hofaz9", "hofaz9-r08"]
    told = tomllib.loads((written[1] / "task.toml").read_text())
    assert told["task"]["name"] == "hofaz9/hofaz9-r08"
    assert told["task"]["description"] == 'Cache "it"'
    assert (written[1] / "instruction.md").read_text() == '# Cache "it"\n'
    assert (written[1] / "environment/instances/statement.md").read_text() == '# Cache "it"\n'


def test_network_and_ready_images_are_a_callers_wish(folder: Path, tmp_path: Path) -> None:
    [task] = read_tasks([WHOLE])

    written = write_task(task, tmp_path, Wishes(with_network=False, image_prefix="example.org/me/"))

    usual, wished = (tomllib.loads((one / "task.toml").read_text()) for one in (folder, written))
    assert usual["verifier"]["environment"]["network_mode"] == "public"
    assert wished["verifier"]["environment"]["network_mode"] == "no-network"
    version = usual["task"]["version"]
    assert wished["environment"]["docker_image"] == f"example.org/me/hofaz9-solver:{version}"
    assert wished["verifier"]["environment"]["docker_image"] == f"example.org/me/hofaz9-verifier:{version}"
    assert "docker_image" not in usual["environment"] | usual["verifier"]["environment"]


def test_a_folder_holds_one_task(folder: Path) -> None:
    assert list(folder.rglob("task.toml")) == [folder / "task.toml"], "readers of data sets look everywhere"


def test_the_instruction_is_the_statement(folder: Path) -> None:
    assert (folder / "instruction.md").read_bytes() == (ROOT / "instances/statement.md").read_bytes()


def test_the_verifier_has_a_container_of_its_own_and_gets_the_catalog_alone(folder: Path) -> None:
    told = tomllib.loads((folder / "task.toml").read_text())

    assert told["schema_version"] == "1.4"
    assert told["verifier"]["environment_mode"] == "separate"
    assert [one["source"] for one in told["artifacts"]] == ["/testbed/repository_before"]
    assert "catalog=/testbed/repository_before\n" in (folder / "tests/test.sh").read_text()


def test_the_solver_gets_baseline_statement_and_packages_and_nothing_else(folder: Path) -> None:
    found = files(folder / "environment")

    assert {name for name in found if not name.startswith("repository_before/")} == {
        "Dockerfile",
        "requirements.txt",
        "instances/statement.md",
    }
    assert contents(folder / "environment/repository_before") == contents(ROOT / "repository_before")
    assert b"fastapi==" in found["requirements.txt"]
    assert b"pytest" not in found["requirements.txt"]


def test_no_module_of_the_reference_or_the_suite_is_in_the_solvers_image(folder: Path) -> None:
    baseline = set(contents(ROOT / "repository_before").values())
    hidden = {body for body in contents(ROOT / "repository_after").values() if body.strip()} - baseline
    hidden |= {path.read_bytes() for path in (ROOT / "tests").rglob("*.py") if path.stat().st_size}

    assert hidden.isdisjoint(files(folder / "environment").values())
    assert hidden <= set(files(folder / "tests").values()), "the verifier needs them"


def test_the_images_are_built_from_the_stages_of_our_dockerfile(folder: Path) -> None:
    ours = (ROOT / "Dockerfile").read_text()
    solver = (folder / "environment/Dockerfile").read_text()
    verifier = (folder / "tests/Dockerfile").read_text()

    assert [line for line in solver.splitlines() if line.startswith("FROM ")] == [
        "FROM python:3.12-slim AS base",
        "FROM base AS solver",
    ]
    assert [line.split()[-1] for line in verifier.splitlines() if line.startswith("FROM ")] == [
        "base",
        "evaluation",
        "verifier",
    ]
    assert verifier.endswith("\nCOPY test.sh /tests/test.sh\n")
    blocks = solver.split("\n\n") + verifier.removesuffix("COPY test.sh /tests/test.sh\n").split("\n\n")
    assert [block for block in blocks if block not in ours] == []


def test_what_an_image_copies_is_in_its_folder(folder: Path) -> None:
    for name in ("environment", "tests"):
        copies = [
            line.split()[1:-1]
            for line in (folder / name / "Dockerfile").read_text().splitlines()
            if line.startswith("COPY ")
        ]

        assert copies
        assert [one for many in copies for one in many if not (folder / name / one).exists()] == []


def test_a_stage_that_does_not_exist_is_named() -> None:
    with pytest.raises(KeyError, match="missing"):
        stages_for("missing", (ROOT / "Dockerfile").read_text())


def test_the_solution_turns_the_baseline_into_the_reference(folder: Path, tmp_path: Path) -> None:
    testbed = tmp_path / "testbed"
    write_copy(ROOT / "repository_before", testbed / "repository_before")

    solve(folder, testbed)

    assert contents(testbed / "repository_before") == contents(ROOT / "repository_after")


def solve(folder: Path, testbed: Path) -> None:
    """Run solve.sh of a task on a catalog."""
    program = (folder / "solution/solve.sh").read_text()
    moved = program.replace("/testbed", str(testbed)).replace("/solution", str(folder / "solution"))
    subprocess.run(["bash", "-c", moved], check=True)


def write_copy(folder: Path, into: Path) -> None:
    """Copy the files of a catalog."""
    into.mkdir(parents=True)
    for name, body in contents(folder).items():
        (into / name).write_bytes(body)


def test_the_harness_in_the_verifiers_folder_can_grade(folder: Path) -> None:
    command = [sys.executable, "evaluation/evaluation.py", "grade", "--help"]
    isolated = {"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"}

    done = subprocess.run(command, cwd=folder / "tests", env=isolated, capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
    grading = (TEMPLATES / "test.sh").read_text()
    assert [option for option in ("--profile", "--output") if option not in grading] == []
    assert [option for option in ("--profile", "--output") if option not in done.stdout] == []


def test_two_writings_are_the_same_and_leave_nothing_behind(folder: Path) -> None:
    before = files(folder)
    (folder / "tests/old.py").write_text("")
    [task] = read_tasks([WHOLE])

    write_task(task, folder.parent)

    assert files(folder) == before
    assert os.access(folder / "tests/test.sh", os.X_OK)
    assert os.access(folder / "solution/solve.sh", os.X_OK)


def test_a_folder_that_is_no_task_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/thesis.txt").write_text("years of work")

    with pytest.raises(UsageError, match="no task folder"):
        write_task(Task("MINE", "# Title\n", ""), tmp_path)

    assert (tmp_path / "mine/thesis.txt").read_text() == "years of work"


@pytest.mark.parametrize("text", NO_LISTS)
def test_a_file_without_an_instance_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "list.json").write_text(text)

    with pytest.raises(UsageError, match="holds no instance"):
        read_tasks([tmp_path / "list.json"])


def test_two_instances_of_one_name_are_refused() -> None:
    with pytest.raises(UsageError, match="hofaz9"):
        read_tasks([WHOLE, WHOLE])


@pytest.fixture(scope="module")
def read(folder: Path) -> dict[str, Any]:
    """What Harbor reads in the folder, in the Python behind its command: its packages are not ours."""
    if not (command := shutil.which("harbor")):
        pytest.skip("the command harbor is not installed")
    python = Path(command).read_text().partition("\n")[0].removeprefix("#!")
    done = subprocess.run([python, "-c", READ_BY_HARBOR, str(folder)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_harbor_reads_the_task(read: dict[str, Any], folder: Path) -> None:
    assert read["name"] == "hofaz9/hofaz9"
    assert read["instruction"] == (ROOT / "instances/statement.md").read_text()
    assert read["solve"] == str((folder / "solution/solve.sh").resolve())


def test_harbor_knows_every_field_of_the_task(read: dict[str, Any], folder: Path) -> None:
    def missing(ours: dict[str, Any], theirs: dict[str, Any]) -> list[str]:
        nested = [name for name, value in ours.items() if isinstance(value, dict) and name in theirs]
        return [name for name in ours if name not in theirs] + [
            f"{name}.{one}" for name in nested for one in missing(ours[name], theirs[name])
        ]

    assert missing(tomllib.loads((folder / "task.toml").read_text()), read["config"]) == []


def test_harbor_builds_the_verifiers_container_from_the_tests(read: dict[str, Any], folder: Path) -> None:
    assert read["mode"] == "separate"
    assert read["context"] == str((folder / "tests").resolve())
    assert read["brings_its_tests"]
