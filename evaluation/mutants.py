"""Proof of the suite: every slip in `patches/mutants` is noticed by a test of the requirement it breaks.

`python -m evaluation.mutants [NAME...] [--all] [--write]`; `make mutants` runs it.
"""

import argparse
import json
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from evaluation.errors import CandidateError
from evaluation.measure.suite import run_share
from evaluation.runtime import dataset
from evaluation.runtime.patches import apply_patch
from evaluation.runtime.workbench import Workbench, open_workbench

ROOT = Path(__file__).parents[1]
PATCHES = ROOT / "patches" / "mutants"
MATRIX = ROOT / "instances" / "mutants.json"
WORKERS = 2


@dataclass(frozen=True, slots=True)
class Kill:
    """A mutant and the tests that failed on it."""

    name: str
    slip: str
    killed_by: list[str]
    others: list[str]

    @property
    def requirement(self) -> str:
        """The requirement it breaks."""
        return self.name[:3]


def main() -> int:
    """Run the mutants, print the matrix, and fail when one of them lives."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="mutants to run (default: all of them)")
    parser.add_argument("--all", action="store_true", help="run the whole suite on each, not one requirement")
    parser.add_argument("--write", action="store_true", help=f"write {MATRIX.relative_to(ROOT)}")
    options = parser.parse_args()
    patches = sorted(PATCHES.glob("*.patch"))
    if options.names:
        patches = [path for path in patches if path.stem in options.names]
    if not patches:
        print(f"no mutant of that name in {PATCHES}", file=sys.stderr)
        return 64
    with open_workbench() as bench:
        for size in ("small", "double"):
            dataset.ensure_template(bench.services.postgres_url, dataset.SIZES[size])

        def run(number: int) -> Kill:
            kill = run_mutant(bench, patches[number], whole=options.all)
            verdict = f"killed by {len(kill.killed_by)}" if kill.killed_by else "SURVIVED"
            print(f"{number + 1:3}/{len(patches)} {kill.name}: {verdict}", flush=True)
            return kill

        with ThreadPoolExecutor(WORKERS) as executor:
            kills = list(executor.map(run, range(len(patches))))
    survivors = [kill.name for kill in kills if not kill.killed_by]
    if options.write and not options.names:
        MATRIX.write_text(matrix(kills))
    elif stale := sorted(
        set(json.loads(MATRIX.read_text())) ^ {path.stem for path in PATCHES.glob("*.patch")}
    ):
        print(f"{MATRIX.relative_to(ROOT)} does not list: {', '.join(stale)}", file=sys.stderr)
        return 1
    print(f"{len(kills) - len(survivors)} of {len(kills)} mutants killed by a test of their own requirement")
    if survivors:
        print(f"survived: {', '.join(survivors)}", file=sys.stderr)
    return 1 if survivors else 0


def run_mutant(bench: Workbench, patch: Path, *, whole: bool) -> Kill:
    """The tests of its requirement, or all, on the reference with one slip in it."""
    text = patch.read_text()
    folder = bench.folder / "mutants" / patch.stem
    apply_patch(ROOT / "repository_after", text, folder)
    services = bench.services
    requirement = None if whole else patch.stem[:3]
    slip = text.splitlines()[0].removeprefix("Slip: ")
    try:
        run = run_share(
            ["tests"], folder, services.postgres_url, services.redis_url, bench.folder, requirement
        )
    except CandidateError as error:
        return Kill(patch.stem, slip, [str(error).splitlines()[0]], [])
    failed = [test for test in run.tests if test.outcome != "passed"]
    own = [test.nodeid for test in failed if test.requirement == patch.stem[:3]]
    return Kill(
        patch.stem, slip, own, sorted({test.requirement or "shared" for test in failed} - {patch.stem[:3]})
    )


def matrix(kills: list[Kill]) -> str:
    """The kill matrix as JSON that diffs well."""
    rows = {
        kill.name: {
            "requirement": kill.requirement,
            "slip": kill.slip,
            "killed_by": sorted(kill.killed_by),
            "also_noticed_by": kill.others,
        }
        for kill in kills
    }
    return json.dumps(rows, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.exit(main())
