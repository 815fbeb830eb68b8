"""Folders, patches and files of predictions become submissions; one bad row fails alone."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from evaluation.candidates.folder import content_digest, copied
from evaluation.candidates.submissions import Submission, read_submissions
from evaluation.errors import CandidateError, EmptyPatchError, PatchFailedError, UsageError

ROOT = Path(__file__).parents[2]
BEFORE, AFTER = ROOT / "repository_before", ROOT / "repository_after"
PATCH = (ROOT / "patches/diff.patch").read_text()


def row(model: Any = "some/model", patch: Any = PATCH, instance: Any = "HOFAZ9") -> dict[str, Any]:
    """A row of a file of predictions."""
    return {"instance_id": instance, "model_name_or_path": model, "model_patch": patch}


def lines(*rows: object) -> str:
    """Rows as JSON lines."""
    return "".join(json.dumps(one) + "\n" for one in rows)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("p.jsonl", lines(row())),
        ("p.ndjson", lines(row()).replace("\n", "\r\n")),
        ("p.jsonl", "\ufeff" + lines(row())),
        ("p.json", json.dumps([row()])),
        ("p.json", json.dumps(row(), indent=2)),
        ("p.json", json.dumps({"HOFAZ9": {"model_name_or_path": "some/model", "model_patch": PATCH}})),
    ],
    ids=["lines", "windows", "mark", "list", "row", "object"],
)
def test_predictions_come_in_several_forms(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)

    assert read_submissions([tmp_path / name]) == [
        Submission("some__model", tmp_path / name, PATCH.encode(), "some/model")
    ]


def test_a_separator_in_a_string_does_not_end_a_line(tmp_path: Path) -> None:
    text = json.dumps(row("a\u2028b\u0085c\x0cd"), ensure_ascii=False)
    (tmp_path / "p.jsonl").write_text(text)

    [found] = read_submissions([tmp_path / "p.jsonl"])

    assert found.name == "a_b_c_d"
    assert found.refused is None


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ("{", "line 2 is not JSON"),
        ("[" * 100_000, "line 2 is not JSON"),
        ("1", "line 2 is no object"),
        (json.dumps({"instance_id": "HOFAZ9"}), "line 2 has no model_patch"),
        (json.dumps(row(patch=["x"])), "line 2: its model_patch is no text but list"),
        (json.dumps(row(patch="+\ud800")), "line 2: its model_patch is not valid text"),
        (json.dumps(row(instance="OTHER")), "line 2 is of the instance 'OTHER', and this is HOFAZ9"),
    ],
)
def test_a_bad_row_is_refused_with_its_line_and_harms_no_other(
    tmp_path: Path, bad: str, message: str
) -> None:
    (tmp_path / "p.jsonl").write_text(lines(row("first")) + bad + "\n" + lines(row("last")))

    first, refused, last = read_submissions([tmp_path / "p.jsonl"])

    assert (first.name, last.name) == ("first", "last")
    assert first.refused is last.refused is None
    with pytest.raises(PatchFailedError, match=message):
        refused.as_folder(tmp_path / "candidate")


@pytest.mark.parametrize("patch", [None, "", " \n"])
def test_a_row_without_a_patch_is_an_empty_patch(tmp_path: Path, patch: str | None) -> None:
    (tmp_path / "p.jsonl").write_text(lines(row(patch=patch)))

    with pytest.raises(EmptyPatchError):
        read_submissions([tmp_path / "p.jsonl"])[0].as_folder(tmp_path / "candidate")


@pytest.mark.parametrize(
    "model", ["..", ".", "/", "a/../b", "nul\0name", "\ud800", "x" * 300, "é" * 300, "-", "", None, 7, [1]]
)
def test_every_model_gets_a_plain_file_name(tmp_path: Path, model: object) -> None:
    (tmp_path / "p.jsonl").write_text(lines(row(model)))

    [found] = read_submissions([tmp_path / "p.jsonl"])
    (tmp_path / "out" / found.name).mkdir(parents=True)

    assert [path.name for path in (tmp_path / "out").iterdir()] == [found.name]


def test_submissions_that_are_called_alike_get_names_of_their_own(tmp_path: Path) -> None:
    models = ["a/b", "a__b", "a/b", "a__b-2", "A__B", "predictions"]
    (tmp_path / "p.jsonl").write_text(lines(*map(row, models)))

    names = [one.name for one in read_submissions([AFTER, AFTER, tmp_path / "p.jsonl"])]

    assert names[:2] == ["repository_after", "repository_after-2"]
    assert len({name.casefold() for name in names}) == 8
    assert "predictions" not in names


@pytest.mark.parametrize(
    ("name", "body"),
    [("p.json", b"{"), ("p.jsonl", b""), ("p.json", b"[]"), ("p.json", b"{}"), ("p.jsonl", b"\xff\xfe\xff")],
)
def test_a_file_without_predictions_is_a_usage_error(tmp_path: Path, name: str, body: bytes) -> None:
    (tmp_path / name).write_bytes(body)

    with pytest.raises(UsageError, match=name):
        read_submissions([tmp_path / name])


def test_a_missing_path_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nowhere"):
        read_submissions([tmp_path / "nowhere"])


@pytest.mark.parametrize("kind", ["link", "link-to-folder", "pipe", "large"])
def test_a_folder_of_more_than_files_is_refused_before_anything_is_copied(tmp_path: Path, kind: str) -> None:
    folder = copied(BEFORE, tmp_path / "attempt")
    match kind:
        case "link":
            (folder / "strange").symlink_to("/etc/passwd")
        case "link-to-folder":
            (folder / "strange").symlink_to(AFTER)
        case "pipe":
            os.mkfifo(folder / "strange")
        case "large":
            with (folder / "strange").open("wb") as file:
                file.truncate(1 << 40)

    with pytest.raises(CandidateError, match=r"strange is a|more than 50 MB"):
        Submission("attempt", folder).as_folder(tmp_path / "candidate")

    assert not (tmp_path / "candidate").exists()


def test_a_copy_has_plain_modes(tmp_path: Path) -> None:
    folder = copied(BEFORE, tmp_path / "attempt")
    (folder / "main.py").chmod(0o600)
    (folder / "run.sh").touch(mode=0o700)
    (folder / "inner").mkdir(mode=0o700)

    copy = copied(folder, tmp_path / "copy")

    modes = {name: (copy / name).stat().st_mode & 0o7777 for name in ("main.py", "run.sh", "inner")}
    assert modes == {"main.py": 0o644, "run.sh": 0o755, "inner": 0o755}


def test_the_digest_covers_everything_that_is_served(tmp_path: Path) -> None:
    digests = set()
    for number in range(5):
        folder = copied(BEFORE, tmp_path / str(number))
        match number:
            case 1:
                (folder / "main.py").chmod(0o755)
            case 2:
                (folder / "empty").mkdir()
            case 3:
                (folder / "a").write_bytes(b"1b\0" + b"644\0\0" + b"2")
            case 4:
                (folder / "a").write_bytes(b"1")
                (folder / "b").write_bytes(b"2")
        digests.add(content_digest(folder))

    assert len(digests) == 5
