"""Task folders of instances of one requirement: where they begin, where they lead, what resolves them."""

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from evaluation.candidates.difference import difference
from evaluation.candidates.folder import content_digest, contents, copied
from evaluation.errors import UsageError
from evaluation.harbor.folders import write_task
from evaluation.harbor.rewards import rewards
from evaluation.harbor.tasks import ROOT, read_tasks
from evaluation.tests.test_harbor import solve, write_copy
from evaluation.tests.test_harbor_rewards import report
from evaluation.tests.test_judge import by_criterion


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
