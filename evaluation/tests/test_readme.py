"""What README tells is so: requirements, commands, licence, and the card of the data set."""

import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from evaluation.criteria import requirements
from evaluation.measure.settings import Settings
from evaluation.pipeline import judged
from evaluation.report.document import as_report
from evaluation.tests.test_growth import cost
from evaluation.tests.test_judge import load, loaded

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMAND = re.compile(r"^ {4}(\S.*)|`([^`]+)`", re.MULTILINE)
COMMANDS = [one or other for one, other in COMMAND.findall(README)]
OURS = re.compile(r"evaluation/evaluation\.py(?: (grade|regrade|explain))?\b")


def project() -> dict[str, Any]:
    """What `pyproject.toml` says of the project."""
    found: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return found


def test_the_requirements_stand_in_readme_with_their_titles() -> None:
    told = re.findall(r"^\| (R\d\d) \| (.*) \|$", README, re.MULTILINE)

    assert told == [(row.id, row.title) for row in requirements() if row.id != "API"]


@pytest.mark.parametrize("key", re.findall(r"`((?:cpu|growth|load|page_500|work)\.before[.\w]*)`", README))
def test_every_key_of_a_report_exists_on_both_sides(key: str) -> None:
    side = replace(loaded(load("stampede", 100), load("hot", 30)), page_500=cost(100_000, 90))
    report = json.loads(json.dumps(as_report(judged(side, side, Settings(), datetime.now(UTC)))))

    for path in (key, key.replace("before", "after")):
        found = report
        for name in path.split("."):
            assert name in found, f"{path} is not in a report"
            found = found[name]


def test_every_command_uses_the_python_that_make_installs() -> None:
    allowed = {"python -m pytest -q tests"}  # As the specification writes it.

    assert [one for one in COMMANDS if re.match(r"(\w+=\S+ )*python\b", one) and one not in allowed] == []
    assert [one for one in COMMANDS if one.startswith(".venv/bin/python ")]


def test_the_command_of_the_specification_finds_the_suite_as_it_is_written() -> None:
    # Where the virtual environment is active, `python` is its Python.
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    command = "python -m pytest -q tests --collect-only"

    done = subprocess.run(
        command.split(), cwd=ROOT, env={"PATH": path}, capture_output=True, text=True, timeout=120
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "tests/test_indexes.py::" in done.stdout


def test_both_catalogs_are_compared_with_their_new_files() -> None:
    documents = [path for path in ROOT.rglob("*.md") if ".venv" not in path.parts]

    assert [path for path in documents if "diff -ru " in path.read_text(encoding="utf-8")] == []
    assert "diff -ruN repository_before repository_after" in README


@pytest.mark.parametrize("command", [one for one in COMMANDS if OURS.search(one)])
def test_every_option_in_a_command_exists(
    command: str, run: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    verb = OURS.search(command)
    assert verb is not None
    with pytest.raises(SystemExit):
        run(*filter(None, [verb[1], "--help"]))
    known = set(re.findall(r"--[a-z-]+", capsys.readouterr().out))

    assert set(re.findall(r" (--[a-z-]+)", command.partition("#")[0])) <= known


@pytest.mark.parametrize("command", [one for one in COMMANDS if one.startswith("make ")])
def test_every_verb_of_make_exists(command: str) -> None:
    verbs = re.findall(r"^([a-z]+):.*## ", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)

    assert command.split()[1] in verbs


def test_the_card_of_the_data_set_names_its_licence_and_its_file() -> None:
    folder = ROOT / "instances"
    front = re.match(r"---\n(.*?)\n---\n", (folder / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    assert front is not None
    card = yaml.safe_load(front[1])

    [config] = card["configs"]
    [data] = config["data_files"]
    assert (folder / data["path"]).is_file()
    assert data["split"] == "test"
    assert card["license"] == project()["license"].lower()
    assert (ROOT / "LICENSE").read_text(encoding="utf-8").startswith(f"{project()['license']} License")


def test_the_citation_is_of_this_version() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))

    assert {"cff-version", "message", "title", "authors"} <= citation.keys()
    assert (citation["version"], citation["license"]) == (project()["version"], project()["license"])
