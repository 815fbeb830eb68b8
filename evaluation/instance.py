"""Writes the test lists that a report saw into `instances/`: `python -m evaluation.instance REPORT`."""

import json
import sys
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[1] / "instances"


def main() -> None:
    """Refresh both forms of the instance from one report."""
    report = json.loads(Path(sys.argv[1]).read_text())
    path = FOLDER / "HOFAZ9.json"
    instance = refreshed(json.loads(path.read_text()), report)
    path.write_text(dumped(instance))
    (FOLDER / "HOFAZ9.list.json").write_text(dumped([list_form(instance)]))


def refreshed(instance: dict[str, Any], report: dict[str, Any]) -> dict[str, Any]:
    """The instance with the lists of this report."""
    tests = report["results"]["after"]["tests"]
    comparison = report["results"]["comparison"]
    for row in instance["requirements"]:
        row["tests"] = sorted(t["nodeid"] for t in tests if t["requirement"] == row["id"])
    lists = {"FAIL_TO_PASS": comparison["fail_to_pass"], "PASS_TO_PASS": comparison["pass_to_pass"]}
    return {**instance, **lists}


def list_form(instance: dict[str, Any]) -> dict[str, Any]:
    """One flat row, as loaders of SWE-bench-style datasets want it."""
    patch = (FOLDER.parent / "patches" / "HOFAZ9.patch").read_text()
    kept = ("instance_id", "repo", "version", "problem_statement", "FAIL_TO_PASS", "PASS_TO_PASS")
    return {**{name: instance[name] for name in kept}, "hints_text": "", "patch": patch, "test_patch": ""}


def dumped(value: object) -> str:
    """JSON that diffs well."""
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    main()
