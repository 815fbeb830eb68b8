"""What readers of sibling repositories look for is here under the names that they know."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from evaluation.candidates.git import output_of_git
from evaluation.report.machine import checkout
from evaluation.serving.workbench import open_workbench
from evaluation.tests.test_judge import by_criterion
from evaluation.tests.test_reporting import report

ROOT = Path(__file__).parents[2]
FIELDS = {
    "instance_id": str,
    "problem_statement": str,
    "base_commit": str,
    "test_patch": str,
    "environment_setup": str,
    "github_url": str,
    "FAIL_TO_PASS": list,
    "PASS_TO_PASS": list,
}


ENVIRONMENT = ("python_version", "os", "os_release", "architecture", "hostname", "git_commit", "git_branch")
TOP = (
    "run_id",
    "started_at",
    "finished_at",
    "duration_seconds",
    "environment",
    "success",
    "error",
    "results",
)
SIDE = {"success": bool, "exit_code": int, "tests": list, "summary": dict, "stdout": str, "stderr": str}


@pytest.mark.parametrize("name", TOP)
def test_a_report_has_every_part_that_readers_look_for(name: str) -> None:
    assert name in report(by_criterion({}))


@pytest.mark.parametrize("name", ENVIRONMENT)
def test_a_report_tells_the_machine_and_the_checkout(name: str) -> None:
    assert isinstance(report(by_criterion({}))["environment"].get(name), str)


@pytest.mark.parametrize("side", ["before", "after"])
def test_a_report_has_what_pytest_printed_beside_the_results_of_a_side(side: str) -> None:
    whole = by_criterion({})
    printed = replace(whole, suite=replace(whole.suite, stdout="1 passed", stderr="a warning"))

    found = report(printed, before=printed)["results"][side]

    assert {name: type(found.get(name)) for name in SIDE} == SIDE
    assert (found["stdout"], found["stderr"]) == ("1 passed", "a warning")


def test_a_report_compares_the_totals_of_both_sides() -> None:
    after, before = by_criterion({"R12.4": "error"}), by_criterion({"R08.3": "failed", "R08.6": "failed"})
    total = len(after.suite.tests)

    comparison = report(after, before=before)["results"]["comparison"]
    resolved = report(by_criterion({}), before=before)["results"]["comparison"]

    told = {name: value for name, value in comparison.items() if name.startswith(("before_", "after_"))}
    assert told == {
        "before_tests_passed": False,
        "before_total": total,
        "before_passed": total - 2,
        "before_failed": 2,
        "after_tests_passed": False,
        "after_total": total,
        "after_passed": total - 1,
        "after_failed": 0,
    }
    assert resolved["after_tests_passed"] is True


def test_the_commit_is_that_of_this_checkout_and_not_of_a_folder_around_it(tmp_path: Path) -> None:
    author = ("-c", "user.name=t", "-c", "user.email=t@example.org")
    inner = tmp_path / "inner"
    inner.mkdir()
    output_of_git(tmp_path, "init", "--quiet", "--initial-branch=trunk")
    assert checkout(tmp_path) == ("", "")
    output_of_git(tmp_path, *author, "commit", "--quiet", "--allow-empty", "--message=first")
    commit = output_of_git(tmp_path, "rev-parse", "HEAD").strip()

    assert checkout(tmp_path) == (commit, "trunk")
    assert checkout(inner) == ("", "")


def test_the_instance_has_every_field_that_readers_look_for() -> None:
    instance = json.loads((ROOT / "instances/instance.json").read_text(encoding="utf-8"))

    assert {name: type(instance.get(name)) for name in FIELDS} == FIELDS
    assert instance["instance_id"] == "HOFAZ9"
    assert instance["FAIL_TO_PASS"]
    assert (ROOT / instance["environment_setup"]).is_file()


TELLS_ITS_DRIVER = """

from sqlalchemy import event

@event.listens_for(Base.metadata, "before_create")
def tell(_, connection, **others):
    print("DRIVER", connection.dialect.driver, flush=True)
"""


def test_the_synchronous_driver_of_the_baseline_is_psycopg2_in_one_version() -> None:
    program = "from repository_before.database import engine; print(engine.driver)"
    variables = {"PATH": os.environ["PATH"], "DATABASE_URL": "postgresql://u:p@127.0.0.1:1/d"}
    command = [sys.executable, "-c", program]

    done = subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True)

    assert done.stdout == "psycopg2\n", done.stderr
    requirements = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    assert re.search(r"^psycopg2-binary==[0-9.]+$", requirements, re.MULTILINE)


def test_the_tables_of_a_candidate_are_created_by_psycopg2(variant: Callable[..., Path]) -> None:
    candidate = variant()
    with (candidate / "database.py").open("a") as database:
        database.write(TELLS_ITS_DRIVER)

    with open_workbench() as bench, bench.stage(100) as stage, stage.serving(candidate) as server:
        log = server.log_text()

    assert [line for line in log.splitlines() if line.startswith("DRIVER")] == ["DRIVER psycopg2"]
