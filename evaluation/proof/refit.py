"""Refits the committed patches to changed catalogs: `python -m evaluation.proof.refit COMMIT`.

COMMIT holds the catalogs that the patches still fit. Each patch is merged with what changed since; the ones
that git cannot merge are named and stay as they are. In the series every step takes up what changed of the
lines that it has; files of steps that took up nothing are named.
"""

import argparse
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
        """The patch against the new catalog; None where git cannot merge both changes."""
        self.git("switch", "--quiet", "--detach", "old")
        self.git("apply", f"--directory={self.base.name}", "--whitespace=nowarn", str(patch))
        self.commit(patch.stem)
        merged = self.git("merge", "--quiet", "--no-edit", "new", check=False)
        if merged.returncode:
            self.git("merge", "--abort")
            return None
        diff = self.git("diff", "--no-color", f"--relative={self.base.name}", "new", "HEAD").stdout
        return re.sub(r"^index .*\n", "", diff, flags=re.MULTILINE)


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
