"""Applies patches to a copy of a catalog, outside of any repository."""

import re
import subprocess
import tempfile
from pathlib import Path

from evaluation.candidates.folder import contents, copied
from evaluation.errors import EmptyPatchError, InfrastructureError, PatchFailedError

TARGET = re.compile(r"^(?:---|\+\+\+|rename from|rename to) (?P<path>\S+)", re.MULTILINE)
FOLDERS = ("repository_before/", "repository_after/")


def apply_patch(base: Path, patch: str, into: Path) -> None:
    """Copy `base` to the new folder `into` and apply the patch there.

    Paths may begin with `a/` and `b/` or not, and with the catalog's folder or not. Raises EmptyPatchError
    when the patch changes nothing, and PatchFailedError with git's message when it does not apply.
    """
    if "diff --git " not in patch and "--- " not in patch:
        raise EmptyPatchError("the patch contains no change")
    copied(base, into)
    with tempfile.NamedTemporaryFile("w", suffix=".patch") as file:
        file.write(patch if patch.endswith("\n") else patch + "\n")
        file.flush()
        command = ["git", "apply", f"-p{strip(patch)}", "--whitespace=nowarn", file.name]
        outside = {"GIT_CEILING_DIRECTORIES": str(into.parent), "GIT_DIR": "/dev/null"}
        try:
            done = subprocess.run(command, cwd=into, env=outside, capture_output=True, text=True)
        except FileNotFoundError as error:
            raise InfrastructureError("git was not found: it is needed to apply patches") from error
    if done.returncode:
        raise PatchFailedError(f"the patch does not apply to {base.name}:\n{done.stderr.strip()}")
    if contents(base) == contents(into):
        raise EmptyPatchError("the patch changes nothing")


def strip(patch: str) -> int:
    """How many leading folders of the paths do not belong to the catalog (`git apply -p`)."""
    paths = [match["path"] for match in TARGET.finditer(patch) if match["path"] != "/dev/null"]
    prefixed = all(path.startswith(("a/", "b/")) for path in paths)
    inner = [path[2:] if prefixed else path for path in paths]
    in_folder = all(path.startswith(FOLDERS) for path in inner)
    return int(prefixed) + int(in_folder)
