"""test.sh in the verifier's container: what it grades, and what it hides from a candidate."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from evaluation.harbor.folders import write_task
from evaluation.harbor.tasks import ROOT, WHOLE, read_tasks
from evaluation.pipeline import unmeasured_candidate
from evaluation.tests.test_harbor import write_copy
from evaluation.tests.test_harbor_rewards import BASELINE, report
from evaluation.tests.test_judge import by_criterion

GRADES_NOTHING = """#!/bin/bash
if [ "$1" != evaluation/evaluation.py ]; then exec "$REAL_PYTHON" "$@"; fi
set -e
echo "$@" > "$PLACE/asked"
ls -A "$3" > "$PLACE/handed_in"
stat -c %a "$PLACE/logs" > "$PLACE/mode"
cp "$PLACE/prepared.json" "${@: -1}"
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The task folder of the instance that is committed."""
    [task] = read_tasks([WHOLE])
    return write_task(task, tmp_path_factory.mktemp("tasks"))


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
