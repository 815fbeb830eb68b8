"""Instances with one requirement each, `instances/steps/Rnn.json`: a catalog, and its next step to do.

The lists of tests come from what was seen of the catalogs before and after it.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from evaluation.criteria import SPECIFIED, Criterion, criteria, requirements
from evaluation.instance import FOLDER, dumped, packages, read, section, write
from evaluation.pipeline import ROOT
from evaluation.proof.series.record import FAILED, PASSED, Record
from evaluation.proof.series.steps import Step

INSTANCES = FOLDER / "steps"
FROM_INSTANCE = ("repo", "version", "base_commit", "test_patch", "environment_setup", "github_url")
"""Fields that are those of the whole task."""
CONTRACT = "## The folder"
"""The heading in the contract where it no longer speaks of the whole task."""
INTRODUCTION = """\
# {title}

The folder is a product catalog over HTTP, written with FastAPI and SQLAlchemy: {folder}.
One requirement is left to meet, and it stands at the end of this text: {requirement}. Meet its specified
criteria, keep what holds already, and do not change what the catalog answers. Hand in the changed folder,
or a patch of it.

What follows first is the contract: what your folder must stay, how it is served, what its API answers, and
how it is measured. It is that of the whole task with its sixteen requirements, and names some that are not
asked for here.

"""
MET = "`repository_before` after the steps for {done}"


def write_instances(series: Sequence[Step], record: Record, whole: dict[str, Any]) -> list[Path]:
    """Write one file for each requirement; return them."""
    INSTANCES.mkdir(exist_ok=True)
    written = []
    for number, step in enumerate(series):
        if step.requirement:
            written.append(INSTANCES / f"{step.requirement}.json")
            write(written[-1], dumped(instance(step, series[:number], record, whole)))
    return written


def instance(step: Step, met: Sequence[Step], record: Record, whole: dict[str, Any]) -> dict[str, Any]:
    """The instance of one step, behind those whose requirements are met, from that of the whole task."""
    assert step.requirement is not None
    own = [one for one in criteria().values() if one.requirement == step.requirement]
    lists = test_lists(step, record, whole, own)
    return {
        "instance_id": f"hofaz9-{step.requirement}",
        **{name: whole[name] for name in FROM_INSTANCE},
        "title": title_of(step),
        "problem_statement": statement(step, met),
        "requirement": step.requirement,
        "requirements_met": [one.requirement for one in met],
        "base": "repository_before",
        "base_patches": [one.path.relative_to(ROOT).as_posix() for one in met],
        "base_content": record.catalogs[record.names[step.number - 1]]["content"],
        "patch": read(step.path),
        "criteria": {one.id: whole["criteria"].get(one.id, []) for one in own},
        **lists,
    }


def test_lists(
    step: Step, record: Record, whole: dict[str, Any], own: Sequence[Criterion]
) -> dict[str, list[str]]:
    """Tests that decide: the requirement's that fail before the step, and all that pass before and after.

    `HARDENING` are the requirement's other tests that pass after the step.
    """
    before, after = record.names[step.number - 1], step.name
    passes = {test: (letters[before], letters[after]) for test, letters in record.tests.items()}
    level = {test: criteria()[name].level for name, tests in whole["criteria"].items() for test in tests}
    its = {test for one in own for test in whole["criteria"].get(one.id, [])}
    turned = sorted(test for test, seen in passes.items() if seen == (FAILED, PASSED))
    kept = sorted(test for test, seen in passes.items() if seen == (PASSED, PASSED))
    return {
        "FAIL_TO_PASS": [test for test in turned if test in its and level[test] == SPECIFIED],
        "PASS_TO_PASS": [test for test in kept if level.get(test, SPECIFIED) == SPECIFIED],
        "HARDENING": [test for test in sorted({*turned, *kept} & its) if level[test] != SPECIFIED],
    }


def statement(step: Step, met: Sequence[Step]) -> str:
    """What a solver is told: the contract, and the criteria of one requirement and of the API."""
    done = ", ".join(sorted(str(one.requirement) for one in met))
    folder = MET.format(done=done) if done else "`repository_before`"
    introduction = INTRODUCTION.format(title=title_of(step), requirement=step.requirement, folder=folder)
    contract = read(FOLDER / "contract.md").replace("{packages}", "\n".join(packages()))
    rows = {row.id: section(row) for row in requirements()}
    told = contract[contract.index(CONTRACT) :]
    return f"{introduction}{told}{rows['API']}\n\n{rows[str(step.requirement)]}\n"


def title_of(step: Step) -> str:
    """The title of the requirement."""
    return next(row.title for row in requirements() if row.id == step.requirement)
