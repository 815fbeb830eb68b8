"""The problem statement says everything that is judged, and the instance is up to date with it."""

import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from evaluation import instance
from evaluation.criteria import HARDENING, criteria
from evaluation.report import committed as lists
from evaluation.tests.test_judge import by_criterion, load
from evaluation.tests.test_reporting import FULL, report

ROOT = Path(__file__).parents[2]
STATEMENT = ROOT / "instances/statement.md"
ROUTES = """
from {catalog}.main import app
for path, methods in app.openapi()["paths"].items():
    for method in methods:
        print(method.upper(), path.replace("product_id", "id"))
"""


def committed() -> dict[str, Any]:
    """The instance as it is committed."""
    found: dict[str, Any] = json.loads((ROOT / "instances/instance.json").read_text())
    return found


def test_the_statement_is_up_to_date_with_contract_and_criteria() -> None:
    assert STATEMENT.read_text() == instance.statement(), "update it with: python -m evaluation.instance"


def test_the_instance_is_up_to_date_with_the_statement() -> None:
    assert committed() == instance.described(committed()), "update it with: python -m evaluation.instance"
    assert committed()["problem_statement"] == STATEMENT.read_text()


@pytest.mark.parametrize("name", list(criteria()))
def test_every_criterion_stands_in_the_statement_under_its_level(name: str) -> None:
    criterion = criteria()[name]
    sections = re.split("^## ", STATEMENT.read_text(), flags=re.MULTILINE)
    [section] = [one for one in sections if one.startswith(f"{name.partition('.')[0]}: ")]

    specified, _, hardening = section.partition("\nHardening:\n")
    assert f"- **{name}** {criterion.sentence}" in (hardening if criterion.level == HARDENING else specified)
    assert (f"{criterion.sentence} (Timed: in the profile `full` alone.)" in section) == bool(
        criterion.profile
    )


def test_the_statement_lists_the_packages_that_a_catalog_may_use_and_no_others() -> None:
    text = STATEMENT.read_text()

    assert "- fastapi==" in text
    assert "- httptools==" in text
    assert "{packages}" not in text
    assert "pytest" not in text


def test_the_contract_describes_every_route() -> None:
    environment = {**os.environ, "DATABASE_URL": "postgresql://u@127.0.0.1:1/d"}
    command = [sys.executable, "-c", ROUTES.format(catalog="repository_before")]
    routes = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    ).stdout

    assert len(routes.splitlines()) == 9
    assert [one for one in routes.splitlines() if f"| `{one}` |" not in STATEMENT.read_text()] == []


def test_a_report_updates_the_lists_of_tests_by_level() -> None:
    updated = instance.updated(committed(), report(by_criterion({"R12.4": "failed"})))

    rows = {row["id"]: row["tests"] for row in updated["requirements"]}
    assert updated["FAIL_TO_PASS"] == ["test of R08.3"]
    assert "test of R08.1" in updated["PASS_TO_PASS"]
    assert "test of R08.6" in updated["HARDENING"]
    assert "test of R12.4" not in {*updated["HARDENING"], *updated["PASS_TO_PASS"]}
    assert rows["R13"] == ["test of R13.1", "test of R13.2"]
    assert updated["criteria"]["R08.6"] == ["test of R08.6"]
    assert instance.untested_criteria(updated) == []


def test_a_criterion_without_a_test_is_noticed() -> None:
    whole = by_criterion({})
    tests = tuple(one for one in whole.suite.tests if one.criterion != "R08.3")

    updated = instance.updated(committed(), report(replace(whole, suite=replace(whole.suite, tests=tests))))

    assert instance.untested_criteria(updated) == ["R08.3"]


@pytest.mark.parametrize("name", ["FAIL_TO_PASS", "PASS_TO_PASS", "HARDENING"])
def test_lists_that_differ_from_a_run_of_the_reference_are_named(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    found = report(replace(by_criterion({}), load=(load("stampede", 100), load("hot", 30))), FULL)
    written = instance.updated(committed(), found)
    monkeypatch.setattr(lists, "INSTANCE", tmp_path / "instance.json")
    lists.INSTANCE.write_text(json.dumps(written))
    assert lists.mismatch(found["results"]["comparison"]) is None

    lists.INSTANCE.write_text(json.dumps(written | {name: [*written[name], "test of more"]}))

    assert (
        lists.mismatch(found["results"]["comparison"])
        == f"{name} of instance.json differs from this run: test of more"
    )
