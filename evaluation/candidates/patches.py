"""Applies patches to a copy of a catalog, outside of any repository. What a patch is, git decides.

git is asked how it reads a patch, with `git apply --numstat`: paths may have the prefixes `a/` and `b/` or
others or none, and may begin with the catalog's folder or inside of it. The reading that finds the most files
of the catalog is applied.
"""

import codecs
import os
import re
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from evaluation.candidates.folder import NOT_SERVED, content_digest, copied
from evaluation.errors import EmptyPatchError, InfrastructureError, PatchFailedError

CATALOG = "repository_before"
"""The folder that a patch changes, by its name in a patch."""
ROOTS = ((1, "."), (1, CATALOG), (0, "."), (0, CATALOG), (2, CATALOG))
"""How paths may be meant: how many of their folders are left out, and where the rest begins."""
LIMITED_GIT = '{ ulimit -v 2000000; ulimit -t 60; } 2>/dev/null; exec git "$@"'
"""A patch can ask git for more memory than there is: its binary parts name the size that they unpack to."""
DEADLINE_S = 120
NO_PATCH = ("No valid patches", "unrecognized input")
MODE = re.compile(rb"^ (?:create mode|mode change \d+ =>) (\d+) ", re.MULTILINE)
"""The modes of files that come out of a patch, as `git apply --summary` tells them."""
PLAIN = {b"100644", b"100755"}
KINDS = {b"120000": "a link", b"160000": "a submodule"}


@dataclass(frozen=True, slots=True)
class Reading:
    """One way to read the paths of a patch: what git is told, and the files that it then finds."""

    options: tuple[str, ...]
    paths: tuple[str, ...]

    def served(self) -> list[str]:
        """The paths of what is served: in the catalog, and no cache."""
        return [
            path
            for path in self.paths
            if path.startswith(f"{CATALOG}/") and not set(NOT_SERVED) & set(path.split("/"))
        ]

    def ignored(self) -> tuple[str, ...]:
        """All other paths."""
        return tuple(path for path in self.paths if path not in self.served())


def is_patch(patch: bytes) -> bool:
    """Whether a text holds the header of a changed file."""
    return bool(re.search(rb"^diff --git |^--- .*\n\+\+\+ ", unwrapped(patch), re.MULTILINE))


def apply_patch(base: Path, patch: bytes, into: Path) -> tuple[str, ...]:
    """Copy `base` to the new folder `into` and apply the patch there; return the paths that were ignored.

    Ignored is what is not served: all outside of the catalog, and caches. Raises EmptyPatchError when the
    patch changes nothing, and PatchFailedError with git's message, or with the line that is refused, when it
    does not apply.
    """
    into.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="patch-", dir=into.parent) as folder:
        scratch, file = Path(folder) / "scratch", Path(folder) / "patch"
        changed = copied(base, scratch / CATALOG)
        file.write_bytes(unwrapped(patch))
        reading = best_reading(file, scratch)
        options = [*(f"--exclude=*/{name}/*" for name in NOT_SERVED), f"--include={CATALOG}/*"]
        options += reading.options
        if strange := set(MODE.findall(git(["--summary", *options], file, scratch).stdout)) - PLAIN:
            raise PatchFailedError(f"the patch is refused: {refusal(patch, min(strange))}")
        done = git(options, file, scratch)
        if done.returncode:
            raise PatchFailedError(f"the patch does not apply to {base.name}:\n{git_message(done)}")
        if content_digest(base) == content_digest(changed):
            raise EmptyPatchError("the patch changes nothing in the catalog")
        changed.rename(into)
    return reading.ignored()


def unwrapped(patch: bytes) -> bytes:
    """The patch as git can read it: UTF-8 without a mark, a last line that ends, line ends of Unix.

    Line ends are changed only where every line has those of Windows: then an editor or a mailer did it.
    """
    if patch.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        patch = patch.decode("utf-16", "replace").encode()
    patch = patch.removeprefix(codecs.BOM_UTF8)
    patch = patch if patch.endswith(b"\n") else patch + b"\n"
    lines = patch.split(b"\n")[:-1]
    return patch.replace(b"\r\n", b"\n") if all(line.endswith(b"\r") for line in lines[:-1]) else patch


def best_reading(file: Path, scratch: Path) -> Reading:
    """The reading that finds the most files of the catalog, the first of them when several do."""
    found, failures = [], []
    for strip, folder in ROOTS:
        options = (f"-p{strip}", *(() if folder == "." else (f"--directory={folder}",)))
        done = git(["--numstat", "-z", *options], file, scratch)
        if not done.returncode:
            paths = [os.fsdecode(row.split(b"\t", 2)[2]) for row in done.stdout.split(b"\0") if row]
            found.append(Reading(options, tuple(paths)))
        elif any(words in git_message(done) for words in NO_PATCH):
            raise EmptyPatchError("git finds no change in the patch")
        else:
            failures.append(git_message(done))
    readings = [one for one in found if one.served()]
    if not readings and found:
        raise EmptyPatchError("the patch changes nothing that is served")
    if not readings:
        raise PatchFailedError(f"git cannot read the patch:\n{failures[0]}")
    return max(readings, key=lambda one: sum((scratch / path).is_file() for path in one.served()))


def git(options: list[str], file: Path, scratch: Path) -> "subprocess.CompletedProcess[bytes]":
    """Run `git apply`, outside of any repository and without anybody's settings."""
    command = ["sh", "-c", LIMITED_GIT, "git", "apply", "--whitespace=nowarn", *options, str(file)]
    environment = {
        "PATH": os.environ.get("PATH", os.defpath),
        "GIT_CEILING_DIRECTORIES": str(scratch.parent),
        "GIT_DIR": "/dev/null",
        "GIT_CONFIG_NOSYSTEM": "1",
    }
    try:
        done = subprocess.run(
            command,
            cwd=scratch,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=DEADLINE_S,
        )
    except subprocess.TimeoutExpired as error:
        raise PatchFailedError(f"git did not read the patch within {DEADLINE_S} s") from error
    if done.returncode == 127:
        raise InfrastructureError("git was not found: it is needed to apply patches")
    return done


def git_message(done: "subprocess.CompletedProcess[bytes]") -> str:
    """The message of git about a patch."""
    return done.stderr.decode(errors="replace").strip() or f"git ended with status {done.returncode}"


def refusal(patch: bytes, mode: bytes) -> str:
    """Which line of a patch asks for a mode that is not served."""
    lines = patch.split(b"\n")
    number = next((n for n, line in enumerate(lines, 1) if re.match(rb"new (file )?mode " + mode, line)), 0)
    kind = KINDS.get(mode, f"mode {mode.decode()}")
    return f"line {number} asks for {kind}, and only files of mode 644 and 755 are served"
