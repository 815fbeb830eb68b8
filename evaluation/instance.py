"""Writes the problem statement and both forms of the instance: `python -m evaluation.instance [REPORT]`.

The statement (`instances/statement.md`) is the contract with all criteria. It also stands in
`instances/HOFAZ9.json`, whose lists of tests come from a report. The list form, for loaders of
SWE-bench-style datasets, is made from that file, from the patch and from `instances/eval.sh`.
"""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from evaluation.criteria import HARDENING, SPECIFIED, Requirement, criteria, requirements

FOLDER = Path(__file__).parents[1] / "instances"
KEPT = ("instance_id", "repo", "version", "problem_statement", "FAIL_TO_PASS", "PASS_TO_PASS")
LISTS = {"FAIL_TO_PASS": "fail_to_pass", "PASS_TO_PASS": "pass_to_pass", "HARDENING": "hardening"}
"""The lists of tests, by their names in the instance and in a report."""
MEASURED = ("R01.2",)
"""Criteria of every profile that are judged by a measurement alone."""
CATALOG_PACKAGES = "# The two catalogs"
"""The heading in requirements.txt of what a candidate may use."""
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
    """Write the statement, the instance and the list form; with a report, with its lists of tests."""
    path = FOLDER / "HOFAZ9.json"
    instance = json.loads(path.read_text())
    if sys.argv[1:]:
        instance = updated(instance, json.loads(Path(sys.argv[1]).read_text()))
    instance = described(instance)
    path.write_text(dumped(instance))
    (FOLDER / "statement.md").write_text(statement())
    (FOLDER / "HOFAZ9.list.json").write_text(dumped([list_form(instance)]))
    if untested := untested_criteria(instance):
        print(f"no test of the reference judges {', '.join(untested)}", file=sys.stderr)


def updated(instance: dict[str, Any], report: dict[str, Any]) -> dict[str, Any]:
    """The instance with the test lists of a report."""
    tests = report["results"]["after"]["tests"]
    comparison = report["results"]["comparison"]
    rows = [
        {
            **row,
            "tests": sorted(
                t["nodeid"] for t in tests if t["requirement"] == row["id"] and t["level"] == SPECIFIED
            ),
        }
        for row in instance["requirements"]
    ]
    judged = {
        name: sorted(t["nodeid"] for t in tests if t["criterion"] == name)
        for name, criterion in criteria().items()
        if criterion.profile is None
    }
    lists = {name: comparison[key] for name, key in LISTS.items()}
    return {**instance, "requirements": rows, "criteria": judged, **lists}


def described(instance: dict[str, Any]) -> dict[str, Any]:
    """The instance with the statement and the titles of today."""
    titles = {row.id: row.title for row in requirements()}
    rows = [{**row, "title": titles[row["id"]]} for row in instance["requirements"]]
    return {**instance, "problem_statement": statement(), "requirements": rows}


def untested_criteria(instance: dict[str, Any]) -> list[str]:
    """The criteria that no test judges, those apart that are measured beside the suite."""
    return [name for name, tests in instance["criteria"].items() if not tests and name not in MEASURED]


def statement() -> str:
    """The problem statement: the contract, then all criteria by requirement."""
    contract = (FOLDER / "contract.md").read_text().replace("{packages}", "\n".join(packages()))
    return contract + "\n\n".join(section(row) for row in requirements()) + "\n"


def packages() -> Iterator[str]:
    """The packages that a candidate may use, as a list."""
    lines = (FOLDER.parent / "requirements.txt").read_text().splitlines()
    for line in lines[lines.index(CATALOG_PACKAGES) + 1 :]:
        if line.startswith("#"):
            return
        yield f"- {line}"


def section(row: Requirement) -> str:
    """One requirement with its criteria: those that decide, and those that do not."""
    lines = [f"## {row.id}: {row.title}", ""]
    for level, heading in ((SPECIFIED, "Specified:"), (HARDENING, "Hardening:")):
        if found := [one for one in row.criteria if one.level == level]:
            timed = {
                one.id: f" (Timed: in the profile `{one.profile}` alone.)" for one in found if one.profile
            }
            lines += [
                heading,
                "",
                *(f"- **{one.id}** {one.sentence}{timed.get(one.id, '')}" for one in found),
                "",
            ]
    return "\n".join(lines).rstrip()


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
