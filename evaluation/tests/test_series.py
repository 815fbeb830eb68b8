"""The steps from the baseline to the reference: their sum, what they say, and what was seen of them."""

import random
import re
import shutil
from pathlib import Path

import pytest

from evaluation.candidates.folder import content_digest, contents, copied
from evaluation.criteria import SPECIFIED, criteria
from evaluation.errors import PatchFailedError, UsageError
from evaluation.pipeline import BASELINE, REFERENCE
from evaluation.proof.patched import header
from evaluation.proof.series import __main__ as command
from evaluation.proof.series import refitting
from evaluation.proof.series import steps as steps_module
from evaluation.proof.series.record import PASSED, Record, Unmet
from evaluation.proof.series.runs import NOTHING, Series, compare
from evaluation.proof.series.steps import START, Step, build, rewrite, steps, undone
from evaluation.proof.series.verification import Seen, due, effect, seen_of
from evaluation.records import REQUIREMENTS
from evaluation.serving.workbench import open_workshop

STEPS = steps()
QUICK = ("R03", "R04", "R12", "R13", "R15")
"""Requirements whose tests need neither the largest catalog nor long waits."""
UNSEEN = "not verified"


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The catalogs of the baseline and of all steps."""
    return build(tmp_path_factory.mktemp("series") / "steps")


@pytest.fixture
def copies(tmp_path: Path) -> tuple[Step, ...]:
    """The steps as patches that a test may write to."""
    shutil.copytree(STEPS[0].path.parent, tmp_path / "series")
    return steps(tmp_path / "series")


@pytest.fixture
def record(folders: list[Path], tmp_path: Path) -> Record:
    """An empty record."""
    return Record([one.name for one in folders], tmp_path / "series.json")


def test_the_steps_lead_from_the_baseline_to_the_reference(folders: list[Path]) -> None:
    assert contents(folders[0]) == contents(BASELINE)
    assert contents(folders[-1]) == contents(REFERENCE)
    assert content_digest(folders[-1]) == content_digest(REFERENCE)


def test_each_requirement_has_one_step_and_the_last_step_has_none() -> None:
    assert [step.number for step in STEPS] == [*range(1, 18)]
    assert sorted(step.requirement or "beyond" for step in STEPS) == [*REQUIREMENTS, "beyond"]
    assert STEPS[-1].name == "17-beyond"


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.name)
def test_a_step_says_what_it_does_for_which_requirement_and_what_it_turns_green(step: Step) -> None:
    green = header(step.path, "Turns green")

    assert header(step.path, "Requirement") == (step.requirement or "none")
    assert header(step.path, "Step").endswith(".")
    assert green in (NOTHING, UNSEEN) or set(green.split(", ")) <= set(criteria()), green
    assert not re.search(r"^index ", step.path.read_text(), re.MULTILINE)


@pytest.mark.parametrize("number", range(18))
def test_every_step_is_a_catalog_that_compiles(folders: list[Path], number: int) -> None:
    for name, body in contents(folders[number]).items():
        compile(body, f"{folders[number].name}/{name}", "exec", dont_inherit=True)


def test_a_step_is_written_from_folders_as_it_stands(folders: list[Path], copies: tuple[Step, ...]) -> None:
    assert rewrite(folders[1:], copies) == []
    (folders[3] / "note.py").write_text("NOTE = 1\n")
    try:
        assert rewrite(folders[1:], copies) == [STEPS[2].name, STEPS[3].name]
    finally:
        (folders[3] / "note.py").unlink()

    assert "+NOTE = 1" in copies[2].path.read_text()
    assert "-NOTE = 1" in copies[3].path.read_text()
    assert header(copies[2].path, "Requirement") == STEPS[2].requirement


def test_a_sum_that_is_not_the_reference_is_told(folders: list[Path], tmp_path: Path) -> None:
    last = copied(folders[-1], tmp_path / "last")
    assert not command.sum_is_wrong(last)

    (last / "crud.py").write_text("")

    assert "crud.py differ" in command.sum_is_wrong(last)


def test_a_step_that_does_not_fit_the_one_before_is_refused(copies: tuple[Step, ...], tmp_path: Path) -> None:
    with pytest.raises(PatchFailedError):
        build(tmp_path / "built", [*copies[:2], *copies[3:]])


def test_changes_of_both_catalogs_are_carried_into_the_steps(
    copies: tuple[Step, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, after = (copied(one, tmp_path / "new" / one.name) for one in (BASELINE, REFERENCE))
    for catalog in (before, after):
        replace_in(catalog / "schemas.py", "MAX_BATCH_SIZE} ids", "MAX_BATCH_SIZE} of them")
    replace_in(before / "crud.py", '"""All categories."""', '"""All of them."""')
    replace_in(after / "crud.py", '"""All categories."""', '"""All of them."""')
    replace_in(after / "http_cache.py", "A weak tag", "A tag")
    (after / "new.py").write_text('"""New."""\n')
    for module in (refitting, steps_module):
        monkeypatch.setattr(module, "BASELINE", before)
        monkeypatch.setattr(module, "REFERENCE", after)

    found = refitting.refit_series(BASELINE, REFERENCE, copies)
    _, *built = build(tmp_path / "built", copies, before)

    assert found.left == ()
    assert contents(built[-1]) == contents(after)
    assert all("of them" in (one / "schemas.py").read_text() for one in built)
    assert all('"""All of them."""' in (one / "crud.py").read_text() for one in built)
    tagged = [one.name for one in built if (one / "http_cache.py").exists()]
    assert len(tagged) > 1
    assert all("A tag" in (one / "http_cache.py").read_text() for one in built if one.name in tagged)
    assert not any((one / "new.py").exists() for one in built[:-1])


def test_where_a_step_has_other_lines_they_stay_and_what_else_changed_is_taken_up(tmp_path: Path) -> None:
    (tmp_path / "step").mkdir()
    (tmp_path / "step/a.py").write_text("one\nmine\nthree\nfour\nfive\nsix\n")
    then = {"a.py": b"one\ntwo\nthree\nfour\nfive\nsix\n", "b.py": b"then\n"}
    now = {"a.py": b"one\n2\nthree\nfour\nfive\n6\n", "b.py": b"now\n"}

    names = refitting.carry(then, now, tmp_path / "step", with_new=False)

    assert names == {"a.py"}
    assert contents(tmp_path / "step") == {"a.py": b"one\nmine\nthree\nfour\nfive\n6\n"}


def replace_in(file: Path, old: str, new: str) -> None:
    """Change a text in a file."""
    text = file.read_text()
    assert old in text, old
    file.write_text(text.replace(old, new))


def test_a_step_that_turns_red_what_decides_or_lacks_what_it_is_for_is_not_good() -> None:
    [step] = [one for one in STEPS if one.requirement == "R06"]
    before = dict.fromkeys(criteria(), False) | {"API.2": True, "API.11": True}
    done = before | {"R06.1": True, "R06.2": True}

    assert effect(step, before, done).is_good
    assert effect(step, before, done).green == ("R06.1", "R06.2")
    assert effect(step, before, done | {"API.11": False}).is_good
    assert not effect(step, before, done | {"API.2": False}).is_good
    assert effect(step, before, before | {"R06.1": True}).lacking == ("R06.2",)
    assert effect(step, {"R06.1": False, "API.2": True}, {"R06.1": True, "R06.2": True}).green == ("R06.1",)
    assert effect(step, before, {"R06.1": True, "R06.2": True}).is_good


def test_after_the_last_step_every_criterion_that_decides_must_hold() -> None:
    decide = {name for name, one in criteria().items() if one.level == SPECIFIED and one.profile is None}

    assert set(due(STEPS[-1])) == decide
    assert due(STEPS[0]) == [name for name in due(STEPS[-1]) if name.startswith(f"{STEPS[0].requirement}.")]


def test_the_record_forgets_a_catalog_whose_files_changed(record: Record) -> None:
    record.keep_seen(START, Seen("some", {"API.1": True, "API.2": False, "R01.1": None}, {"test": True}))
    record.keep(START, "some", times={"cold_ms": 4.0})
    record.write()
    again = Record(record.names, record.file)

    assert again.holds(START, "some") == {"API.1": True, "API.2": False}
    assert again.holds(START, "others") is None
    assert again.tests == {"test": dict.fromkeys(record.names, "?") | {START: PASSED}}
    again.keep(START, "others", times={"cold_ms": 5.0})
    assert again.catalogs[START] == {"content": "others", "times": {"cold_ms": 5.0}}
    assert again.tests == {"test": dict.fromkeys(record.names[1:], "?")}


def test_what_is_seen_of_one_requirement_stands_beside_what_was_seen_before(record: Record) -> None:
    record.keep_seen(START, Seen("some", {"R01.2": False, "R02.1": True}, {"one": True, "two": False}))
    record.keep_seen(START, Seen("some", {"R01.2": True, "R02.1": None}, {"two": True}))

    assert record.holds(START, "some") == {"R01.2": True, "R02.1": True}
    assert record.tests == {"one": {START: PASSED}, "two": {START: PASSED}}


def test_a_sparing_run_leaves_out_what_failed_on_both_sides(record: Record) -> None:
    before, step, behind = record.names[:3]
    record.keep_seen(before, Seen("a", {"R01.2": False}, {"never": False, "turns": False, "breaks": True}))
    assert record.failed_around(step) == Unmet(frozenset(), frozenset())
    record.keep_seen(
        behind, Seen("c", {"R01.2": False, "R02.1": False}, {"never": False, "turns": True, "breaks": False})
    )

    assert record.failed_around(step) == Unmet(frozenset({"never"}), frozenset({"R01.2"}))


def test_what_a_step_turned_green_stands_above_its_diff(
    folders: list[Path], copies: tuple[Step, ...], record: Record, capsys: pytest.CaptureFixture[str]
) -> None:
    series = Series(copies, {one.name: one for one in folders})
    nothing: dict[str, bool | None] = dict.fromkeys(criteria(), False)
    # What was not seen is neither true nor false.
    seen = [
        nothing | {"R01.1": None},
        nothing | {"R06.1": True, "R06.2": True, "API.9": None},
        nothing,
    ]
    for folder, holds in zip(folders, seen, strict=False):
        record.keep_seen(folder.name, Seen(content_digest(folder), holds, {}))

    assert compare(series, record, [copies[0].name])
    assert not compare(series, record, [copies[1].name])

    assert header(copies[0].path, "Turns green") == "R06.1, R06.2"
    assert record.catalogs[copies[1].name]["turned_red"] == ["R06.1", "R06.2"]
    assert "turns red R06.1, R06.2; lacks R07.1, R07.2: NOT AS IT SHOULD BE" in capsys.readouterr().out


def test_what_was_seen_is_of_the_catalogs_of_today_and_as_it_should_be(folders: list[Path]) -> None:
    record = Record([one.name for one in folders])
    seen = {name: one for name, one in record.catalogs.items() if "holds" in one}
    digests = {folder.name: content_digest(folder) for folder in folders}

    assert {name: one["content"] for name, one in seen.items()} == {name: digests[name] for name in seen}
    assert START in seen
    for step in STEPS:
        if step.name not in seen:
            assert header(step.path, "Turns green") == UNSEEN
            continue
        one = seen[step.name]
        assert header(step.path, "Turns green") == (", ".join(one["turned_green"]) or NOTHING)
        assert not set(due(step)) & set(one["fails"]), step.name
        assert not [name for name in one["turned_red"] if criteria()[name].level == SPECIFIED], step.name


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (["0", "4"], [START, "04-R04-inventory-with-its-product"]),
        (["R04", "04"], ["04-R04-inventory-with-its-product"]),
        ([], [START, *(step.name for step in STEPS)]),
    ],
)
def test_steps_are_named_by_number_requirement_or_name(words: list[str], names: list[str]) -> None:
    assert command.chosen(STEPS, words) == names


def test_a_step_that_does_not_exist_is_refused() -> None:
    with pytest.raises(UsageError, match="R17"):
        command.chosen(STEPS, ["R17"])


def test_what_any_step_brings_can_be_undone_in_the_reference(tmp_path: Path) -> None:
    for step in STEPS:
        assert undone(step, tmp_path / step.name) is None, step.name
        assert contents(tmp_path / step.name) != contents(REFERENCE)

    models = (tmp_path / STEPS[0].name / "models.py").read_text()
    assert models.count("index=True") < (REFERENCE / "models.py").read_text().count("index=True")


def test_a_drawn_step_does_what_it_says(folders: list[Path]) -> None:
    drawn = random.choice([step for step in STEPS if step.requirement in QUICK])
    before, after = folders[drawn.number - 1], folders[drawn.number]
    assert drawn.requirement is not None
    with open_workshop() as shop:
        first, then = (seen_of(shop, one, drawn.requirement) for one in (before, after))

    assert not [name for name in due(drawn) if not then.holds[name]], drawn.name
    assert [name for name in due(drawn) if not first.holds[name]], drawn.name
