"""Writes small tasks as data: `python -m evaluation.proof.tasks FOLDER`.

steps.list.json        one task for each requirement: the catalog before its step of `patches/series`
regressions.list.json  one task for each mutant: the reference with one fault

Their lists of tests are what was seen, of the steps in `trajectory/series.json` and of the mutants in
`instances/mutants.json`. Of a catalog that was not seen as it is now, no task is written.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evaluation.candidates.difference import difference
from evaluation.candidates.folder import content_digest
from evaluation.candidates.patches import apply_patch
from evaluation.criteria import API, requirements
from evaluation.errors import PatchFailedError
from evaluation.instance import (
    FOLDER,
    PATCH,
    against_the_repository,
    contract_from,
    dumped,
    list_form,
    read,
    section,
    write,
)
from evaluation.parser import Parser
from evaluation.pipeline import REFERENCE, ROOT
from evaluation.proof.patched import PATCHES
from evaluation.proof.series.record import FAILED, PASSED, Record
from evaluation.proof.series.steps import START, Step, build, steps

INSTANCE, MATRIX = FOLDER / "instance.json", FOLDER / "mutants.json"
BEGINNING = "## The folder"
"""The heading of the contract where it no longer tells what the whole task is."""
STEP = """\
# {requirement}: {title}

The folder `repository_before` is a product catalog over HTTP, written with FastAPI and SQLAlchemy. Make it
meet one requirement, {requirement}, and do not change what it answers. Hand in the changed folder, or a patch
of it.

It meets {done}.
Of what is listed below, everything that holds now must hold afterwards, and every specified criterion of
{requirement} as well. Hardening is judged and reported, and decides nothing.

"""
REGRESSION = """\
# Find the regression: {requirement} is no longer met

The folder `repository_before` is a product catalog over HTTP, written with FastAPI and SQLAlchemy. It met
everything that is listed below, until one change went wrong: now it fails a criterion of {requirement}
({title}). Find what is wrong and mend it. Every specified criterion must hold afterwards; hardening is judged
and reported, and decides nothing. Hand in the changed folder, or a patch of it.

"""
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Start:
    """The catalog that a task begins with, and the patches that make it of the baseline."""

    folder: Path
    patches: tuple[Path, ...]


def main() -> int:
    """Write both files into a folder, and say how many tasks they hold; return 0, or 64 for no folder."""
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="where the files go")
    folder = parser.parse_args().folder
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        parser.error(f"{folder} is no folder that can be written: {error}")
    mutants = sorted((PATCHES / "mutants").glob("*.patch"))
    with tempfile.TemporaryDirectory(prefix="hofaz9-tasks-") as scratch:
        for name, found, of in (
            ("steps", step_rows(Path(scratch) / "series"), len(steps()) - 1),
            ("regressions", regression_rows(Path(scratch) / "mutants", mutants), len(mutants)),
        ):
            path, rows = folder / f"{name}.list.json", list(found)
            write(path, dumped(rows))
            print(f"{path}: {len(rows)} tasks, of {of} {name}")
    return 0


def step_rows(scratch: Path) -> Iterator[Row]:
    """A task for each step towards a requirement whose catalogs, before and after it, were seen.

    Its tests are those of the requirements that it speaks of: what else a step turns green may stay red.
    """
    series = steps()
    folders = build(scratch, series)
    record = Record([START, *(step.name for step in series)])
    for number, step in enumerate(series):
        before, after = folders[number : number + 2]
        if step.requirement and is_seen(record, before) and is_seen(record, after):
            earlier = series[:number]
            start = Start(before, tuple(one.path for one in earlier))
            judged = tests_of({API, step.requirement, *(str(one.requirement) for one in earlier)})
            failing, passing = (
                {test for test in judged if seen_on(record, test, before, after) == wanted}
                for wanted in ((FAILED, PASSED), (PASSED, PASSED))
            )
            statement = step_statement(step.requirement, earlier)
            made = row(f"HOFAZ9-{step.requirement}", statement, start, after, failing, passing)
            yield {**made, "requirement": step.requirement}


def tests_of(judged: set[str]) -> set[str]:
    """The tests of some requirements, API among them."""
    criteria = json.loads(read(INSTANCE))["criteria"].items()
    return {test for name, tests in criteria for test in tests if name.partition(".")[0] in judged}


def seen_on(record: Record, test: str, *folders: Path) -> tuple[str | None, ...]:
    """What a test gave on some catalogs."""
    letters = record.tests.get(test, {})
    return tuple(letters.get(folder.name) for folder in folders)


def is_seen(record: Record, folder: Path) -> bool:
    """Whether the suite was run on a catalog with these files."""
    return record.holds(folder.name, content_digest(folder)) is not None and record.is_seen(folder.name)


def regression_rows(scratch: Path, mutants: Sequence[Path]) -> Iterator[Row]:
    """A task for each mutant that fails a specified test of its requirement."""
    decisive = specified_tests()
    matrix = json.loads(read(MATRIX))
    for patch in mutants:
        seen = matrix.get(patch.stem, {})
        killers = decisive & set(seen.get("killed_by", ()))
        folder = scratch / patch.stem
        if killers and is_patched(patch, folder) and content_digest(folder) == seen.get("content"):
            start = Start(folder, (PATCH, patch))
            statement = regression_statement(patch.stem[:3])
            yield row(f"HOFAZ9-{patch.stem}", statement, start, REFERENCE, killers, decisive - killers)


def is_patched(patch: Path, into: Path) -> bool:
    """Apply a patch to a copy of the reference; whether it fits."""
    try:
        apply_patch(REFERENCE, patch.read_bytes(), into)
    except PatchFailedError:
        return False
    return True


def row(
    name: str, statement: str, start: Start, end: Path, fail_to_pass: set[str], pass_to_pass: set[str]
) -> Row:
    """A task in the list form; where it names no requirement, what decides the whole task decides it."""
    return {
        **list_form(json.loads(read(INSTANCE))),
        "instance_id": name,
        "problem_statement": statement,
        "patch": against_the_repository(difference(start.folder, end)),
        "base_patches": [str(path.relative_to(ROOT)) for path in start.patches],
        "base_content": content_digest(start.folder),
        "requirement": None,
        "image": f"{name.lower()}-testbed:1",
        "FAIL_TO_PASS": sorted(fail_to_pass & specified_tests()),
        "PASS_TO_PASS": sorted(pass_to_pass & specified_tests()),
    }


def specified_tests() -> set[str]:
    """The tests that decide the whole task."""
    instance = json.loads(read(INSTANCE))
    return {*instance["FAIL_TO_PASS"], *instance["PASS_TO_PASS"]}


def step_statement(requirement: str, earlier: Sequence[Step]) -> str:
    """What a solver of one requirement is told: the contract, and the criteria that decide."""
    done = sorted(str(one.requirement) for one in earlier)
    told = ", ".join(done) or "none of the sixteen requirements of the whole task"
    text = STEP.format(requirement=requirement, title=title_of(requirement), done=told)
    return text + described({API, *done, requirement})


def regression_statement(requirement: str) -> str:
    """What a solver is told of a regression: which requirement it breaks, and everything that is judged."""
    text = REGRESSION.format(requirement=requirement, title=title_of(requirement))
    return text + described({one.id for one in requirements()})


def described(judged: set[str]) -> str:
    """The contract from its second heading on, and the criteria of some requirements."""
    contract = contract_from(BEGINNING)
    return contract + "\n\n".join(section(one) for one in requirements() if one.id in judged) + "\n"


def title_of(requirement: str) -> str:
    """The title of a requirement."""
    return next(one.title for one in requirements() if one.id == requirement)


if __name__ == "__main__":
    sys.exit(main())
