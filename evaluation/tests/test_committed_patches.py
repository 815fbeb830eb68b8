"""Every committed patch applies to its catalog, and nothing in the result is undefined."""

import json
import subprocess
import sys
from pathlib import Path

from evaluation.candidates.patches import apply_patch
from evaluation.proof.patched import PATCHES, base_of

KINDS = ("mutants", "alternatives", "cheats", "slow")


def undefined_names(folder: Path) -> set[str]:
    """`FOLDER/PATCH: message` for every name that the code under a folder uses and nothing defines."""
    command = [sys.executable, "-m", "ruff", "check", "--isolated", "--no-cache", "--select", "F821"]
    result = subprocess.run(
        [*command, "--output-format", "json", str(folder)], capture_output=True, text=True, check=False
    )
    found = json.loads(result.stdout)
    return {f"{Path(one['filename']).relative_to(folder).parts[0]}: {one['message']}" for one in found}


def test_every_committed_patch_applies_and_leaves_no_name_undefined(tmp_path: Path) -> None:
    # A mutant that ends with NameError is killed for another reason than its own.
    patches = [path for kind in KINDS for path in sorted((PATCHES / kind).glob("*.patch"))]
    assert len(patches) > 500
    for path in patches:
        apply_patch(base_of(path), path.read_bytes(), tmp_path / f"{path.parent.name}-{path.stem}")
    assert not undefined_names(tmp_path)


def test_an_undefined_name_is_found(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "one/main.py").write_text("def answer():\n    return nowhere\n")
    assert undefined_names(tmp_path) == {"one: Undefined name `nowhere`"}
