"""Small tasks: one requirement, or one regression, with the catalog that it begins with."""

import json
from pathlib import Path
from typing import Any

import pytest

from evaluation.candidates.folder import content_digest, contents
from evaluation.candidates.patches import apply_patch
from evaluation.criteria import criteria
from evaluation.harbor.tasks import read_tasks
from evaluation.pipeline import BASELINE, REFERENCE, ROOT
from evaluation.proof import tasks
from evaluation.proof.patched import PATCHES, header
from evaluation.proof.series.record import Record
from evaluation.proof.series.steps import START, build, steps
from evaluation.proof.series.verification import Seen

STEPS = steps()
STEP = STEPS[3]
"""The step that was seen, before it and after it."""
MUTANTS = sorted((PATCHES / "mutants").glob("*.patch"))
TURNED, STAYED = sorted(tasks.tests_of({"R04"}) & tasks.specified_tests())[:2]
LOST = min(tasks.tests_of({"API"}) & tasks.specified_tests())
ELSEWHERE = min(tasks.tests_of({"R12"}) & tasks.specified_tests())
"""A test of a requirement that a later step meets."""


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The catalogs of the baseline and of all steps, by their names."""
    return {folder.name: folder for folder in build(tmp_path_factory.mktemp("series") / "steps")}


@pytest.fixture
def record(folders: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Record:
    """What was seen of the catalogs before and after STEP: a test of it turned green, and a foreign one."""
    record = Record([START, *(step.name for step in STEPS)], tmp_path / "series.json")
    before = STEPS[STEP.number - 2].name
    for name, turned in ((before, False), (STEP.name, True)):
        passed = {TURNED: turned, STAYED: True, LOST: not turned, ELSEWHERE: turned}
        record.keep_seen(name, Seen(content_digest(folders[name]), {"R04.1": turned}, passed))
    monkeypatch.setattr(tasks, "Record", lambda _: record)
    return record


@pytest.fixture(scope="module")
def regressions(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """The tasks of one regression each."""
    return list(tasks.regression_rows(tmp_path_factory.mktemp("mutants"), MUTANTS))


@pytest.mark.usefixtures("record")
def test_a_task_of_a_requirement_leads_from_the_catalog_before_its_step_to_the_one_after(
    folders: dict[str, Path], tmp_path: Path
) -> None:
    [row] = tasks.step_rows(tmp_path / "series")

    before = folders[STEPS[STEP.number - 2].name]
    assert base_of(row, tmp_path / "start") == contents(before)
    assert row["base_content"] == content_digest(before)
    apply_patch(before, row["patch"].encode(), tmp_path / "end")
    assert contents(tmp_path / "end") == contents(folders[STEP.name])


@pytest.mark.usefixtures("record")
def test_a_task_of_a_requirement_has_the_tests_that_were_seen_and_tells_its_criteria(tmp_path: Path) -> None:
    [row] = tasks.step_rows(tmp_path / "series")

    assert (row["instance_id"], row["requirement"]) == ("HOFAZ9-R04", "R04")
    assert (row["FAIL_TO_PASS"], row["PASS_TO_PASS"]) == ([TURNED], [STAYED])
    told = {name.partition(".")[0] for name in criteria() if f"**{name}**" in row["problem_statement"]}
    assert told == {"API", "R04", *(str(step.requirement) for step in STEPS[:3])}


def test_of_a_catalog_that_was_not_seen_whole_or_has_changed_since_no_task_is_written(
    record: Record, folders: dict[str, Path], tmp_path: Path
) -> None:
    other = Seen(content_digest(folders[START]), {"R04.1": False}, {"tests/test_other.py::t": False})
    record.keep_seen(START, other)
    assert not list(tasks.step_rows(tmp_path / "not-whole"))

    record.tests.clear()
    record.forget_others(STEP.name, "of another catalog")
    assert not list(tasks.step_rows(tmp_path / "changed"))


def test_there_are_many_regressions(regressions: list[dict[str, Any]]) -> None:
    assert len(regressions) > 100


def test_a_regression_leads_back_to_the_reference_and_does_not_tell_the_mutation(
    regressions: list[dict[str, Any]], tmp_path: Path
) -> None:
    for row in regressions[:: len(regressions) // 5]:
        name = row["instance_id"].removeprefix("HOFAZ9-")
        start = tmp_path / name
        base_of(row, start)
        assert content_digest(start) == row["base_content"]
        apply_patch(start, row["patch"].encode(), tmp_path / f"{name}-end")
        assert contents(tmp_path / f"{name}-end") == contents(REFERENCE)
        assert header(PATCHES / "mutants" / f"{name}.patch", "Mutation") not in row["problem_statement"]
        assert row["FAIL_TO_PASS"]
        assert {*row["FAIL_TO_PASS"], *row["PASS_TO_PASS"]} == tasks.specified_tests()


def test_of_a_mutant_that_has_changed_since_no_task_is_written(
    regressions: list[dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = regressions[0]["instance_id"].removeprefix("HOFAZ9-")
    [patch] = [path for path in MUTANTS if path.stem == name]
    seen = json.loads(tasks.MATRIX.read_text())[name]
    (tmp_path / "matrix.json").write_text(json.dumps({name: {**seen, "content": "of another catalog"}}))
    monkeypatch.setattr(tasks, "MATRIX", tmp_path / "matrix.json")

    assert not list(tasks.regression_rows(tmp_path / "mutants", [patch]))


@pytest.mark.usefixtures("record")
def test_harbor_reads_both_kinds(regressions: list[dict[str, Any]], tmp_path: Path) -> None:
    rows = [*tasks.step_rows(tmp_path / "series"), regressions[0]]
    (tmp_path / "tasks.list.json").write_text(json.dumps(rows))

    for task, row in zip(read_tasks([tmp_path / "tasks.list.json"]), rows, strict=True):
        start = task.write_start(tmp_path / task.short_name)
        assert content_digest(start) == row["base_content"]
        end = task.write_end(start, tmp_path / f"{task.short_name}-end")
        assert content_digest(end) != row["base_content"]


def base_of(row: dict[str, Any], into: Path) -> dict[str, bytes]:
    """The catalog that a task begins with: the baseline, after all of its patches."""
    latest = BASELINE
    for number, name in enumerate(row["base_patches"], 1):
        last = number == len(row["base_patches"])
        folder = into if last else into.with_name(f"{into.name}-{number}")
        apply_patch(latest, (ROOT / name).read_bytes(), folder)
        latest = folder
    return dict(contents(latest))
