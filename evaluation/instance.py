"""Writes both forms of the instance: `python -m evaluation.instance [REPORT]`.

A report updates the test lists of `instances/HOFAZ9.json`. The list form, for loaders of SWE-bench-style
datasets, is made from that file, from the patch and from `instances/eval.sh`.
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[1] / "instances"
KEPT = ("instance_id", "repo", "version", "problem_statement", "FAIL_TO_PASS", "PASS_TO_PASS")
FOR_LOADERS = {
    "image": "hofaz9-testbed:1",
    "log_parser": "parse_log_pytest_v2",
    "eval_type": "pass_and_fail",
    "base_commit": "HEAD",
    "environment_setup_commit": "HEAD",
    "created_at": "2026-11-24T00:00:00Z",
    "hints_text": "",
    "test_patch": "",
}
"""Further fields that such loaders require. The image has a clone of this repository in /testbed."""


def main() -> None:
    """Write the list form; with a report, update the instance before."""
    path = FOLDER / "HOFAZ9.json"
    instance = json.loads(path.read_text())
    if sys.argv[1:]:
        instance = updated(instance, json.loads(Path(sys.argv[1]).read_text()))
        path.write_text(dumped(instance))
    (FOLDER / "HOFAZ9.list.json").write_text(dumped([list_form(instance)]))


def updated(instance: dict[str, Any], report: dict[str, Any]) -> dict[str, Any]:
    """The instance with the test lists of a report."""
    tests = report["results"]["after"]["tests"]
    comparison = report["results"]["comparison"]
    for row in instance["requirements"]:
        row["tests"] = sorted(t["nodeid"] for t in tests if t["requirement"] == row["id"])
    lists = {"FAIL_TO_PASS": comparison["fail_to_pass"], "PASS_TO_PASS": comparison["pass_to_pass"]}
    return {**instance, **lists}


def list_form(instance: dict[str, Any]) -> dict[str, Any]:
    """The instance as one flat row; the paths in its patch start at the root of the repository."""
    patch = (FOLDER.parent / "patches" / "HOFAZ9.patch").read_text()
    return {
        **{name: instance[name] for name in KEPT},
        **FOR_LOADERS,
        "eval_script": (FOLDER / "eval.sh").read_text(),
        "patch": against_the_repository(patch),
    }


def against_the_repository(patch: str) -> str:
    """The patch with `repository_before/` added to its paths."""
    header = re.compile(r"^(diff --git|---|\+\+\+) .*$", re.MULTILINE)
    return header.sub(lambda line: re.sub(r" ([ab])/", r" \1/repository_before/", line[0]), patch)


def dumped(value: object) -> str:
    """JSON that diffs well."""
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    main()
