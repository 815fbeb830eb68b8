"""The lists of tests that the instance commits, beside those that a baseline and a reference show."""

import json
from pathlib import Path
from typing import Any

INSTANCE = Path(__file__).parents[2] / "instances" / "instance.json"
LISTS = ("FAIL_TO_PASS", "PASS_TO_PASS", "HARDENING")


def instance() -> dict[str, Any]:
    """The instance as it is committed."""
    content: dict[str, Any] = json.loads(INSTANCE.read_text(encoding="utf-8"))
    return content


def mismatch(comparison: dict[str, Any]) -> str | None:
    """How the committed lists differ from those of a baseline and a reference; None if not at all."""
    committed = instance()
    for name in LISTS:
        if different := sorted(set(comparison[name.lower()]) ^ set(committed[name])):
            return f"{name} of {INSTANCE.name} differs from this run: {', '.join(different[:5])}"
    return None
