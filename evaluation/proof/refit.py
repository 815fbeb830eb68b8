"""Refits the committed patches to changed catalogs: `python -m evaluation.proof.refit COMMIT`.

COMMIT holds the catalogs that the patches still fit. Each patch is merged with what changed since, by lines
and where these conflict by words; read what was merged by words. The patches that cannot be merged are named
and stay as they are. In the series every step takes up what changed of the
lines that it has; files of steps that took up nothing are named.
"""

import argparse
import json
import re
import subprocess
import sys
import tarfile
import tempfile
from io import BytesIO
from pathlib import Path

from evaluation.candidates.folder import copied
from evaluation.parser import Parser
from evaluation.pipeline import BASELINE, REFERENCE, ROOT
from evaluation.proof.patched import PATCHES, base_of
from evaluation.proof.series.refitting import refit_series

KINDS = ("mutants", "alternatives", "cheats", "slow")
WORD = re.compile(r"\w+|\n|[^\w\n]")
AUTHOR = ("-c", "user.name=refit", "-c", "user.email=refit@localhost")


class Scratch:
    """A repository of its own with two commits: the old catalog, and the new one on the branch `new`."""

    def __init__(self, folder: Path, commit: str, base: Path) -> None:
        self.folder, self.base = folder, base
        folder.mkdir()
        self.git("init", "--quiet", "--initial-branch=old")
        unpack(commit, base, folder)
        self.commit("old")
        self.git("switch", "--quiet", "--create", "new")
        self.git("rm", "--quiet", "-r", ".")
        copied(base, folder / base.name)
        self.commit("new")

    def git(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run git in the scratch repository."""
        command = ["git", *AUTHOR, *arguments]
        return subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=check)

    def commit(self, message: str) -> None:
        """Commit everything."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", message)

    def refitted(self, patch: Path) -> str | None:
        """The patch against the new catalog; None where its change and the catalog's cannot be merged."""
        self.git("switch", "--quiet", "--detach", "old")
        self.git("apply", f"--directory={self.base.name}", "--whitespace=nowarn", str(patch))
        self.commit(patch.stem)
        merged = self.git("merge", "--quiet", "--no-edit", "new", check=False)
        if merged.returncode and not self.merged_by_words(patch.stem):
            self.git("merge", "--abort")
            return None
        diff = self.git("diff", "--no-color", f"--relative={self.base.name}", "new", "HEAD").stdout
        return re.sub(r"^index .*\n", "", diff, flags=re.MULTILINE)

    def merged_by_words(self, message: str) -> bool:
        """Commit a merge that lines would not allow; False when words do not allow it either."""
        for name in self.git("diff", "--name-only", "--diff-filter=U").stdout.split():
            versions = [self.git("show", f":{stage}:{name}", check=False) for stage in (2, 1, 3)]
            if any(version.returncode for version in versions):
                return False
            merged = by_words(*(version.stdout for version in versions))
            if merged is None:
                return False
            (self.folder / name).write_text(merged)
        self.commit(message)
        return True


def by_words(mine: str, base: str, theirs: str) -> str | None:
    """The merge of two texts that began as one, word by word; None where both changed the same words."""
    with tempfile.TemporaryDirectory(prefix="hofaz9-words-") as folder:
        files = [Path(folder) / name for name in ("mine", "base", "theirs")]
        for file, text in zip(files, (mine, base, theirs), strict=True):
            file.write_text("".join(json.dumps(word) + "\n" for word in WORD.findall(text)))
        command = ["git", "merge-file", "--stdout", *map(str, files)]
        merge = subprocess.run(command, capture_output=True, text=True, check=False)
        return None if merge.returncode else "".join(map(json.loads, merge.stdout.splitlines()))


def unpack(commit: str, base: Path, folder: Path) -> Path:
    """Write a catalog as it was in a commit into a folder."""
    archive = subprocess.run(["git", "archive", commit, base.name], cwd=ROOT, capture_output=True, check=True)
    with tarfile.open(fileobj=BytesIO(archive.stdout)) as tar:
        tar.extractall(folder, filter="data")
    return folder / base.name


def main() -> int:
    """Rewrite every patch that can be merged; 1 when one cannot."""
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("commit", help="the commit whose catalogs the patches fit")
    chosen = parser.parse_args()
    failed = []
    with tempfile.TemporaryDirectory(prefix="hofaz9-refit-") as folder:
        before, after = (unpack(chosen.commit, base, Path(folder)) for base in (BASELINE, REFERENCE))
        for name in refit_series(before, after).left:
            print(f"took up nothing of what changed: series/{name}", file=sys.stderr)
    with tempfile.TemporaryDirectory(prefix="hofaz9-refit-") as folder:
        scratches = {
            base: Scratch(Path(folder) / base.name, chosen.commit, base) for base in (BASELINE, REFERENCE)
        }
        every = sorted(path for kind in KINDS for path in (PATCHES / kind).glob("*.patch"))
        for patch in every:
            head = patch.read_text().partition("diff --git")[0]
            try:
                body = scratches[base_of(patch)].refitted(patch)
            except subprocess.CalledProcessError as error:
                body = None
                print(f"{patch.name}: {error.stderr.strip()}", file=sys.stderr)
            if body:
                patch.write_text(head + body)
            else:
                failed.append(patch.relative_to(ROOT).as_posix())
    for name in failed:
        print(f"cannot be merged: {name}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
