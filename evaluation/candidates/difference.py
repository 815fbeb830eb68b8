"""The patch that turns one folder into another."""

import shutil
import tempfile
from pathlib import Path

from evaluation.candidates.folder import copied
from evaluation.candidates.git import output_of_git
from evaluation.errors import EvaluationError

LONGEST = 300_000
"""A report holds so many characters of a patch; the reference's has 69 000."""


def shown_difference(before: Path, after: Path, scratch: Path | None = None) -> str | None:
    """The beginning of a patch, for a report; None where it cannot be made, for no verdict depends on it.

    `scratch` is a folder that is removed also when this process is killed.
    """
    try:
        text = difference(before, after, scratch)
    except (EvaluationError, OSError):
        return None
    if len(text) <= LONGEST:
        return text
    whole_lines = text[:LONGEST].rpartition("\n")[0]
    return f"{whole_lines}\n\\ cut: the patch has {len(text):,} characters\n"


def difference(before: Path, after: Path, scratch: Path | None = None) -> str:
    """The patch as git writes it, for `git apply` and `patch -p1`; headers of new files name both sides."""
    with tempfile.TemporaryDirectory(prefix="difference-", dir=scratch) as name:
        repository, tree = Path(name) / "repository", Path(name) / "tree"
        output_of_git(Path(name), "init", "--quiet", "--bare", str(repository))

        def stored(folder: Path) -> str:
            copied(folder, tree)
            output_of_git(tree, "add", "--all", GIT_DIR=str(repository), GIT_WORK_TREE=str(tree))
            shutil.rmtree(tree)
            return output_of_git(repository, "write-tree").strip()

        return output_of_git(repository, "diff-tree", "-p", "-r", stored(before), stored(after))
