"""Writes patch, problem statement and both forms of the instance: `python -m evaluation.instance [REPORT]`.

The patch (`patches/diff.patch`) turns the baseline into the reference. The statement
(`instances/statement.md`) is the contract with all criteria. It also stands in `instances/instance.json`,
whose lists of tests come from a report. The list form, for loaders of SWE-bench-style datasets, is made from
that file, from the patch and from `instances/eval.sh`.
"""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from evaluation.candidates.difference import difference
from evaluation.criteria import HARDENING, SPECIFIED, Requirement, criteria, requirements

ROOT = Path(__file__).parents[1]
FOLDER, PATCH = ROOT / "instances", ROOT / "patches" / "diff.patch"
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
    """Write the patch, the statement, the instance and the list form; with a report, its lists of tests."""
    path = FOLDER / "instance.json"
    instance = json.loads(read(path))
    if sys.argv[1:]:
        instance = updated(instance, json.loads(read(Path(sys.argv[1]))))
    instance = described(instance)
    write(path, dumped(instance))
    write(PATCH, difference(ROOT / "repository_before", ROOT / "repository_after"))
    write(FOLDER / "statement.md", statement())
    write(FOLDER / "HOFAZ9.list.json", dumped([list_form(instance)]))
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
    return contract_from("# ") + "\n\n".join(section(row) for row in requirements()) + "\n"


def contract_from(heading: str) -> str:
    """The contract from a heading on."""
    contract = read(FOLDER / "contract.md").replace("{packages}", "\n".join(packages()))
    return contract[contract.index(heading) :]


def packages() -> Iterator[str]:
    """The packages that a candidate may use, as a list."""
    lines = read(ROOT / "requirements.txt").splitlines()
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
    return {
        **{name: instance[name] for name in KEPT},
        **FOR_LOADERS,
        "eval_script": read(FOLDER / "eval.sh"),
        "patch": against_the_repository(read(PATCH)),
    }


def against_the_repository(patch: str) -> str:
    """The patch with `repository_before/` added to its paths."""
    header = re.compile(r"^(diff --git|---|\+\+\+) .*$", re.MULTILINE)
    return header.sub(lambda line: re.sub(r" ([ab])/", r" \1/repository_before/", line[0]), patch)


def read(path: Path) -> str:
    """The text of a file."""
    return path.read_text(encoding="utf-8")


def write(path: Path, text: str) -> None:
    """Write the text of a file."""
    path.write_text(text, encoding="utf-8")


def dumped(value: object) -> str:
    """JSON that diffs well."""
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    main()
