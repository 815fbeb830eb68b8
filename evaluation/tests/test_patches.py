"""Patches as people write them apply; what lies outside of the catalog is ignored and named."""

import zlib
from base64 import b85encode
from pathlib import Path

import pytest

from evaluation.candidates.folder import contents, copied
from evaluation.candidates.git import git
from evaluation.candidates.patches import apply_patch
from evaluation.errors import EmptyPatchError, PatchFailedError

ROOT = Path(__file__).parents[2]
BEFORE, AFTER = ROOT / "repository_before", ROOT / "repository_after"
PATCH = (ROOT / "patches/diff.patch").read_bytes()
COMMENT = b"""\
--- a/repository_before/config.py
+++ b/repository_before/config.py
@@ -3,3 +3,4 @@
 import os
+# a comment
 
 DATABASE_URL = os.environ["DATABASE_URL"]
"""
HEADED = b"diff --git a/repository_before/config.py b/repository_before/config.py\n" + COMMENT
MOVE = b"""\
diff --git a/repository_before/errors.py b/repository_before/web/errors.py
similarity index 100%
rename from repository_before/errors.py
rename to repository_before/web/errors.py
"""
LINK = b"""\
diff --git a/repository_before/secrets.py b/repository_before/secrets.py
new file mode 120000
--- /dev/null
+++ b/repository_before/secrets.py
@@ -0,0 +1 @@
+/etc/passwd
\\ No newline at end of file
"""


def new_file(path: str, mode: str = "100644") -> bytes:
    """A patch that adds a file."""
    return (
        f"diff --git {quoted('a', path)} {quoted('b', path)}\nnew file mode {mode}\n"
        f"--- /dev/null\n+++ {quoted('b', path)}\n@@ -0,0 +1 @@\n+NEW = True\n"
    ).encode()


def quoted(side: str, path: str) -> str:
    """A path as git writes it: in quotes, with octal codes, when it is not plain ASCII."""
    if path.isascii():
        return f"{side}/{path}"
    octal = "".join(chr(byte) if byte < 128 else f"\\{byte:03o}" for byte in path.encode())
    return f'"{side}/{octal}"'


def renamed(patch: bytes, old: bytes, new: bytes) -> bytes:
    """The patch with other prefixes before its paths."""
    return patch.replace(b" a/", b" " + old).replace(b" b/", b" " + new)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"a/", b"b/"),
        (b"", b""),
        (b"c/", b"w/"),
        (b"a/repository_before/", b"b/repository_before/"),
        (b"repository_before/", b"repository_before/"),
        (b"a/repository_before/", b"b/repository_after/"),
    ],
)
def test_a_patch_applies_whatever_stands_before_its_paths(tmp_path: Path, old: bytes, new: bytes) -> None:
    ignored = apply_patch(BEFORE, renamed(PATCH, old, new), tmp_path / "candidate")

    assert contents(tmp_path / "candidate") == contents(AFTER)
    assert ignored == ()


@pytest.mark.parametrize(
    "patch",
    [
        HEADED,
        COMMENT,
        b"Here it is.\n\n--- Summary ---\n\n```diff\n" + HEADED + b"```\n--- End ---\n",
        HEADED.decode().encode("utf-16"),
        HEADED.replace(b"\n", b"\r\n"),
        HEADED.rstrip(b"\n"),
    ],
    ids=["git", "plain", "prose", "utf-16", "windows", "unfinished"],
)
def test_a_patch_applies_with_what_people_and_programs_do_to_it(tmp_path: Path, patch: bytes) -> None:
    apply_patch(BEFORE, patch, tmp_path / "candidate")

    assert (tmp_path / "candidate/config.py").read_text().count("# a comment\n") == 1


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["plain", "marked"])
def test_a_patch_moves_files(tmp_path: Path, mark: bytes) -> None:
    apply_patch(BEFORE, mark + MOVE + HEADED, tmp_path / "candidate")

    assert not (tmp_path / "candidate/errors.py").exists()
    assert (tmp_path / "candidate/web/errors.py").read_bytes() == (BEFORE / "errors.py").read_bytes()


def test_a_patch_adds_a_file_whose_name_git_quotes(tmp_path: Path) -> None:
    apply_patch(BEFORE, new_file("repository_before/büro.py") + HEADED, tmp_path / "candidate")

    assert (tmp_path / "candidate/büro.py").is_file()


def test_what_git_cannot_apply_of_a_cache_is_ignored_and_named(tmp_path: Path) -> None:
    cache = "repository_before/__pycache__/main.cpython-311.pyc"
    differs = f"diff --git a/{cache} b/{cache}\nindex 1111111..2222222 100644\n"
    differs += f"Binary files a/{cache} and b/{cache} differ\n"

    ignored = apply_patch(BEFORE, differs.encode() + HEADED, tmp_path / "candidate")

    assert ignored == (cache,)
    assert "# a comment" in (tmp_path / "candidate/config.py").read_text()


def test_what_is_outside_of_the_catalog_is_ignored_and_named(tmp_path: Path) -> None:
    patch = new_file("README.txt") + HEADED + new_file("tests/test_of_mine.py") + new_file("away", "120000")

    ignored = apply_patch(BEFORE, patch, tmp_path / "candidate")

    assert ignored == ("README.txt", "tests/test_of_mine.py", "away")
    assert contents(tmp_path / "candidate").keys() == contents(BEFORE).keys()


@pytest.mark.parametrize(
    ("patch", "message"),
    [
        (HEADED + LINK, "line 10 asks for a link"),
        (HEADED + new_file("repository_before/module", "160000"), "line 10 asks for a submodule"),
        (HEADED + new_file("repository_before/../../above.py"), "invalid path"),
        (HEADED.replace(b"import os", b"import of"), "config.py:3"),
        (HEADED.partition(b"+#")[0], "corrupt patch at line 6"),
    ],
    ids=["link", "submodule", "above", "other-lines", "cut"],
)
def test_a_refused_patch_says_which_line_is_wrong(tmp_path: Path, patch: bytes, message: str) -> None:
    with pytest.raises(PatchFailedError, match=message):
        apply_patch(BEFORE, patch, tmp_path / "candidate")

    assert not any(tmp_path.iterdir())


def test_a_patch_that_unpacks_to_all_the_memory_is_refused(tmp_path: Path) -> None:
    packed = zlib.compress(bytes(1 << 10))
    line = f"{chr(ord('A') + len(packed) - 1)}{b85encode(packed, pad=True).decode()}"
    lines = ["diff --git a/big.bin b/big.bin", "new file mode 100644", f"index {40 * '0'}..{40 * '1'}"]
    lines += ["GIT binary patch", "literal 8000000000", line, "", "literal 0", "HcmV?d00001", "", ""]

    with pytest.raises(PatchFailedError, match=r"[Oo]ut of memory"):
        apply_patch(BEFORE, "\n".join(lines).encode(), tmp_path / "candidate")


@pytest.mark.parametrize("patch", [b"", b"just words\n", b"--- Summary ---\n"])
def test_text_without_a_change_is_an_empty_patch(tmp_path: Path, patch: bytes) -> None:
    with pytest.raises(EmptyPatchError):
        apply_patch(BEFORE, patch, tmp_path / "candidate")


def test_a_patch_of_files_that_are_not_served_is_an_empty_patch(tmp_path: Path) -> None:
    with pytest.raises(EmptyPatchError):
        apply_patch(BEFORE, new_file("repository_before/__pycache__/main.pyc"), tmp_path / "candidate")


def test_what_git_diff_writes_of_a_catalog_applies(tmp_path: Path) -> None:
    for folder in (BEFORE, AFTER):
        copied(folder, tmp_path / folder.name)
    patch = git(tmp_path, "diff", "--no-index", "--binary", BEFORE.name, AFTER.name).stdout.encode()

    apply_patch(BEFORE, patch, tmp_path / "candidate")

    assert contents(tmp_path / "candidate") == contents(AFTER)
