"""Proof of the grader: `python -m evaluation.proof mutants|alternatives|cheats|determinism|timing [NAME...]`.

Every mutant (a slip in the reference) must be noticed by a test of the requirement it breaks, every
alternative (another correct solution) accepted, every cheat found out in the way its patch says, and
the reference, two mutants and two alternatives must be judged the same however often they are graded.
`timing` repeats the reference and one that answers late with 500 clients (profile `full`).
"""

import argparse
import json
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from random import Random

from evaluation.errors import CandidateError
from evaluation.measure.settings import Settings
from evaluation.measure.suite import run_share
from evaluation.pipeline import ROOT, prepared_workbench
from evaluation.proof.determinism import STUDIES, kinds, run_study
from evaluation.proof.patched import PATCHES, graded, header, patched
from evaluation.serving.workbench import Workbench

MATRIX = ROOT / "instances" / "mutants.json"
WORKERS = 2
SETTINGS = Settings(size="small", with_load=False)


@dataclass(frozen=True, slots=True)
class Finding:
    """What became of one patch: whether as it should, in a few words, and the tests that failed."""

    name: str
    good: bool
    text: str
    killed_by: tuple[str, ...] = ()
    also_noticed_by: tuple[str, ...] = ()


def main() -> int:
    """Run what is asked for; 1 when something is not as it should be."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("kind", choices=("mutants", "alternatives", "cheats", *STUDIES))
    parser.add_argument("names", nargs="*", help="patches to run (default: all, or those of the study)")
    parser.add_argument("--sample", type=int, metavar="N", help="run N of them, drawn by --seed")
    parser.add_argument("--seed", default="0", help="seed of --sample (default: 0)")
    parser.add_argument("--whole", action="store_true", help="mutants: run the whole suite on each")
    parser.add_argument("--write", action="store_true", help=f"mutants: write {MATRIX.relative_to(ROOT)}")
    defaults = ", ".join(f"{study.times} for {name}" for name, study in STUDIES.items())
    parser.add_argument("--times", type=int, help=f"gradings of each (default: {defaults})")
    options = parser.parse_intermixed_args()
    if study := STUDIES.get(options.kind):
        names = options.names or study.names
        times = study.times if options.times is None else options.times
        if len(chosen := kinds(names)) != 1 + len(names) or times < 1:
            parser.error(f"there is no such patch in {PATCHES}, or nothing to repeat")
        return run_study(chosen, study.settings, times)
    return run_patches(parser, options)


def run_patches(parser: argparse.ArgumentParser, options: argparse.Namespace) -> int:
    """Run one kind of patches, print what became of each, and fail when one is not as it should be."""
    every = sorted((PATCHES / options.kind).glob("*.patch"))
    chosen = [path for path in every if not options.names or path.stem in options.names]
    if options.sample:
        chosen = sorted(Random(options.seed).sample(chosen, min(options.sample, len(chosen))))
    if not chosen:
        parser.error(f"there is no such patch in {PATCHES / options.kind}")
    runs: dict[str, Callable[[Workbench, Path], Finding]] = {
        "mutants": lambda bench, path: run_mutant(bench, path, whole=options.whole),
        "alternatives": lambda bench, path: run_whole(bench, path, "resolved"),
        "cheats": lambda bench, path: run_whole(bench, path, header(path, "Expect")),
    }
    findings = run_all(chosen, runs[options.kind])
    bad = [finding.name for finding in findings if not finding.good]
    if options.kind == "mutants":
        if options.write and len(chosen) == len(every):
            MATRIX.write_text(matrix(findings))
        elif stale := sorted(set(json.loads(MATRIX.read_text())) ^ {path.stem for path in every}):
            bad.append(f"{MATRIX.relative_to(ROOT)} does not list {', '.join(stale)}")
    words = {"mutants": "killed by a test of their own requirement", "alternatives": "accepted"}
    print(f"{sum(f.good for f in findings)} of {len(findings)} {words.get(options.kind, 'found out')}")
    if bad:
        print(f"not as it should be: {', '.join(bad)}", file=sys.stderr)
    return 1 if bad else 0


def run_all(patches: list[Path], run: Callable[[Workbench, Path], Finding]) -> list[Finding]:
    """All of them, two at a time: counters decide, so company does not disturb them."""
    with prepared_workbench(SETTINGS, lambda text: print(text, flush=True)) as bench:

        def numbered(number: int) -> Finding:
            finding = run(bench, patches[number])
            print(f"{number + 1:3}/{len(patches)} {finding.name}: {finding.text}", flush=True)
            return finding

        with ThreadPoolExecutor(WORKERS) as executor:
            return list(executor.map(numbered, range(len(patches))))


def run_mutant(bench: Workbench, patch: Path, *, whole: bool) -> Finding:
    """The tests of its requirement, or all, on the reference with one slip in it."""
    requirement = patch.stem[:3]
    urls = (bench.services.postgres_url, bench.services.redis_url)
    try:
        only = None if whole else requirement
        run = run_share(["tests"], patched(bench, patch), *urls, bench.folder, only)
    except CandidateError as error:
        return Finding(patch.stem, False, f"cannot be run: {error}")
    failed = [test for test in run.tests if test.outcome != "passed"]
    # An error is a candidate that does not even start: that notices a broken patch, not a slip.
    own = tuple(sorted(t.nodeid for t in failed if t.requirement == requirement and t.outcome == "failed"))
    others = tuple(sorted({test.requirement or "shared" for test in failed} - {requirement}))
    told = f"killed by {len(own)}" if own else "SURVIVED"
    told += f", also noticed by {', '.join(others)}" if others else ""
    return Finding(patch.stem, bool(own), told, own, others)


def run_whole(bench: Workbench, patch: Path, wanted: str) -> Finding:
    """A whole grading, and whether it ends as wanted."""
    try:
        outcome, _ = graded(bench, patched(bench, patch), SETTINGS)
    except CandidateError as error:
        return Finding(patch.stem, False, f"cannot be run: {error}")
    good = outcome.name == wanted
    reason = " ".join(outcome.reason.split())[:160]
    return Finding(patch.stem, good, f"{outcome.name}{' as it should be' if good else ''}: {reason}")


def matrix(findings: list[Finding]) -> str:
    """The kill matrix as JSON that diffs well."""
    rows = {
        finding.name: {
            "requirement": finding.name[:3],
            "slip": header(PATCHES / "mutants" / f"{finding.name}.patch", "Slip"),
            "killed_by": finding.killed_by,
            "also_noticed_by": finding.also_noticed_by,
        }
        for finding in findings
    }
    return json.dumps(rows, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.exit(main())
