"""Task folders for Harbor: what they hold, what Harbor reads in them, and how the verifier grades."""

import json
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from evaluation.candidates.difference import difference
from evaluation.candidates.folder import content_digest, contents, copied
from evaluation.errors import UsageError
from evaluation.harbor.folders import TEMPLATES, Wishes, write_task
from evaluation.harbor.rewards import rewards
from evaluation.harbor.stages import stages_for
from evaluation.harbor.tasks import ROOT, WHOLE, Task, read_tasks
from evaluation.pipeline import unmeasured_candidate
from evaluation.tests.test_harbor_rewards import BASELINE, report
from evaluation.tests.test_judge import by_criterion

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


@pytest.fixture
def step(tmp_path: Path) -> dict[str, Any]:
    """An instance of one requirement: it begins where one patch has led, and asks for the next one."""
    folders = [copied(ROOT / "repository_before", tmp_path / name) for name in ("zero", "one", "two")]
    for folder in folders[1:]:
        (folder / "first.py").write_text("FIRST = 1\n")
    (folders[2] / "crud.py").write_text("SECOND = 2\n")
    (tmp_path / "01.patch").write_text("Step: the first\n\n" + difference(*folders[:2]))
    return {
        "instance_id": "hofaz9-R08",
        "problem_statement": "# Listings are cached\n",
        "requirement": "R08",
        "base_patches": [str(tmp_path / "01.patch")],
        "base_content": content_digest(folders[1]),
        "patch": difference(*folders[1:]),
        "FAIL_TO_PASS": ["test of R08.3"],
        "PASS_TO_PASS": ["test of API.2", "test of R06.1"],
    }


def written_step(step: dict[str, Any], place: Path) -> Path:
    """The task folder of an instance of one requirement."""
    (place / "R08.json").write_text(json.dumps(step))
    [task] = read_tasks([place / "R08.json"])
    return write_task(task, place / "tasks")


def test_an_instance_of_one_requirement_begins_where_its_patches_lead(
    step: dict[str, Any], tmp_path: Path
) -> None:
    written = written_step(step, tmp_path)

    start = contents(written / "environment/repository_before")
    assert start == contents(tmp_path / "one")
    assert "SECOND" not in "".join(path.read_text() for path in (written / "environment").rglob("*.py"))
    assert tomllib.loads((written / "task.toml").read_text())["task"]["name"] == "hofaz9/hofaz9-r08"
    assert json.loads((written / "tests/task.json").read_text()) == {
        "requirement": "R08",
        "tests": ["test of R08.3", "test of API.2", "test of R06.1"],
    }


def test_its_solution_makes_the_next_step(step: dict[str, Any], tmp_path: Path) -> None:
    written = written_step(step, tmp_path)
    write_copy(tmp_path / "one", tmp_path / "testbed/repository_before")

    solve(written, tmp_path / "testbed")

    assert contents(tmp_path / "testbed/repository_before") == contents(tmp_path / "two")


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [("base_content", "0" * 64, "another catalog"), ("patch", "+nothing\n", "is of no use")],
)
def test_an_instance_that_does_not_fit_its_patches_is_refused(
    field: str, value: str, message: str, step: dict[str, Any], tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=message):
        written_step({**step, field: value}, tmp_path)

    assert not list((tmp_path / "tasks").glob("*/task.toml"))


@pytest.mark.parametrize(
    ("broken", "reward"),
    [
        *(([], 1), (["R12.1"], 1), (["R08.3"], 0), (["R08.1"], 0), (["R06.1"], 0), (["R08.6"], 1)),
        # Of the API, what held before must hold: a later step may have to mend the rest.
        *((["API.2"], 0), (["API.6"], 1)),
    ],
)
def test_one_requirement_is_resolved_beside_what_held_before(
    broken: list[str], reward: float, step: dict[str, Any], tmp_path: Path
) -> None:
    task = json.loads((written_step(step, tmp_path) / "tests/task.json").read_text())

    found = rewards(report(by_criterion(dict.fromkeys(broken, "failed"))), task)

    assert found["reward"] == reward
    assert found["R12"] == (0 if "R12.1" in broken else 1)


def test_two_instances_of_one_name_are_refused() -> None:
    with pytest.raises(UsageError, match="hofaz9"):
        read_tasks([WHOLE, WHOLE])


GRADES_NOTHING = """#!/bin/bash
if [ "$1" != evaluation/evaluation.py ]; then exec "$REAL_PYTHON" "$@"; fi
set -e
echo "$@" > "$PLACE/asked"
ls -A "$3" > "$PLACE/handed_in"
stat -c %a "$PLACE/logs" > "$PLACE/mode"
cp "$PLACE/prepared.json" "${@: -1}"
"""


@pytest.fixture
def verified(folder: Path, tmp_path: Path) -> Callable[[dict[str, Any] | None], Path]:
    """A function that runs test.sh, with a Python that grades nothing and hands out a report; its folder.

    The folder has `logs`, `testbed` and `app`, where our modules are.
    """
    (tmp_path / "logs/verifier").mkdir(parents=True)
    (tmp_path / "app").mkdir()
    (tmp_path / "app/evaluation").symlink_to(ROOT / "evaluation")
    (tmp_path / "app/instances").symlink_to(ROOT / "instances")
    shutil.copy(folder / "tests/task.json", tmp_path / "app")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/python").write_text(GRADES_NOTHING)
    (tmp_path / "bin/python").chmod(0o755)
    program = (folder / "tests/test.sh").read_text()
    for name in ("logs", "testbed", "app"):
        program = program.replace(f"/{name}", f"{tmp_path}/{name}")
    environment = {
        "PATH": f"{tmp_path}/bin:{os.environ['PATH']}",
        "REAL_PYTHON": sys.executable,
        "PLACE": str(tmp_path),
    }

    def run(report: dict[str, Any] | None) -> Path:
        if report:
            (tmp_path / "prepared.json").write_text(json.dumps(report))
        subprocess.run(["bash", "-c", program], env=environment)
        return tmp_path

    return run


def test_the_verifier_grades_what_was_handed_in(verified: Callable[..., Path], tmp_path: Path) -> None:
    write_copy(ROOT / "repository_before", tmp_path / "testbed/repository_before")

    place = verified(report(by_criterion({})))

    assert "main.py" in (place / "handed_in").read_text()
    assert f"grade {place}/testbed/repository_before --profile quick" in (place / "asked").read_text()
    assert json.loads((place / "logs/verifier/reward.json").read_text())["reward"] == 1


def test_a_catalog_that_was_removed_is_graded_as_an_empty_folder(verified: Callable[..., Path]) -> None:
    gone = unmeasured_candidate("repository_before", BASELINE, ValueError("it has no main.py"))

    place = verified(report(gone))

    assert (place / "handed_in").read_text() == ""
    assert json.loads((place / "logs/verifier/reward.json").read_text())["reward"] == 0


def test_nobody_else_can_write_rewards_while_a_candidate_is_served(
    verified: Callable[..., Path], tmp_path: Path
) -> None:
    (tmp_path / "logs/verifier").chmod(0o777)
    for name in ("reward.json", "reward.txt"):
        (tmp_path / "logs/verifier" / name).write_text("1")

    place = verified(None)

    assert (place / "mode").read_text() == "700\n"
    assert [path.name for path in (place / "logs/verifier").glob("reward*")] == [], "there was no verdict"


def test_in_another_container_nothing_is_graded(verified: Callable[..., Path], tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "app")

    place = verified(report(by_criterion({})))

    assert not (place / "asked").exists()
    assert not (place / "logs/verifier/reward.json").exists()


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
