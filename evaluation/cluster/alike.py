"""What client and workers must have in common: the project's files, its version, Python and the packages."""

import json
import platform
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from evaluation import options
from evaluation.candidates.folder import content_digest
from evaluation.candidates.store import harness_digest
from evaluation.pipeline import BASELINE, REFERENCE, ROOT

NAME = re.compile(r"^[\w.-]+", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Alike:
    """The facts of one checkout and its Python; `files` is a digest, `packages` are those we require."""

    version: str
    files: str
    python: str
    packages: dict[str, str]

    @property
    def resource(self) -> str:
        """What a worker offers once and a grading takes: no worker gets what an unlike client asks for."""
        facts = json.dumps(asdict(self), sort_keys=True)
        return f"grading-{sha256(facts.encode()).hexdigest()[:16]}"

    def differences(self, theirs: Mapping[str, Any]) -> list[str]:
        """What is otherwise with a worker, in words; nothing when a grading there is as good as here."""
        packages = theirs.get("packages", {})
        pairs: list[tuple[str, Any, str | None]] = [("version", theirs.get("version"), self.version)]
        pairs += [("Python", theirs.get("python"), self.python)]
        names = sorted({*packages, *self.packages})
        pairs += [(name, packages.get(name), self.packages.get(name)) for name in names]
        told = [f"its {name} is {other}, ours is {own}" for name, other, own in pairs if other != own]
        if theirs.get("files") != self.files:
            told.append("its files of the project are not ours (another commit, or a change)")
        return told


def here() -> Alike:
    """The facts of this checkout and this Python."""
    catalogs = [content_digest(folder) for folder in (BASELINE, REFERENCE)]
    files = sha256(repr((harness_digest(), catalogs)).encode()).hexdigest()
    return Alike(options.version(), files, platform.python_version(), installed())


def installed() -> dict[str, str]:
    """The version of every package that requirements.txt names; `missing` where there is none."""
    names = NAME.findall((ROOT / "requirements.txt").read_text(encoding="utf-8"))
    return {name: installed_version(name) for name in names}


def installed_version(name: str) -> str:
    """The version of one package."""
    try:
        return version(name)
    except PackageNotFoundError:
        return "missing"
