"""Proof of the grader: `python -m evaluation.proof KIND [NAME...]`.

Every mutant (a reference with one mutation) must fail a test of the requirement that it breaks. Every
alternative (another solution) must be resolved, or break the criteria that its patch names. Every
cheat must get the outcome that its patch expects. `determinism` grades the reference, two mutants and
two alternatives many times; the verdicts must be the same every time. `timing` does that with 500
clients (profile `full`), for the reference and for a candidate whose answers are late. `concurrency` shows
how many requests the reference and synchronous copies of it have under way.
"""

import argparse
import json
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from random import Random

from evaluation.candidates.folder import content_digest
from evaluation.database.dataset import SIZES
from evaluation.errors import CandidateError
from evaluation.judge.cpu import is_cheap
from evaluation.measure.cpu import measure_cpu
from evaluation.measure.settings import Settings
from evaluation.measure.suite import run_share
from evaluation.parser import Parser
from evaluation.pipeline import ROOT, prepared_workshop
from evaluation.proof.concurrency import run_concurrency
from evaluation.proof.determinism import STUDIES, kinds, run_study
from evaluation.proof.patched import PATCHES, Grading, graded, header, patched
from evaluation.serving.workbench import Workbench, Workshop

MATRIX = ROOT / "instances" / "mutants.json"
WORKERS = 2
SETTINGS = Settings(size="small", with_load=False)


@dataclass(frozen=True, slots=True)
class Finding:
    """The result for one patch: whether it is as expected, a summary, the tests that failed, and the digest
    of the catalog that they failed on.
    """

    name: str
    good: bool
    text: str
    killed_by: tuple[str, ...] = ()
    also_noticed_by: tuple[str, ...] = ()
    content: str | None = None


def main() -> int:
    """Run the requested part of the proof; return 1 when a result is not as expected."""
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=("mutants", "alternatives", "cheats", *STUDIES, "concurrency"))
    parser.add_argument("names", nargs="*", help="patches to run (default: all, or those of the study)")
    parser.add_argument("--sample", type=int, metavar="N", help="run N of them, drawn by --seed")
    parser.add_argument("--seed", default="0", help="seed of --sample (default: 0)")
    parser.add_argument("--whole", action="store_true", help="mutants: run the whole suite on each mutant")
    kept = MATRIX.relative_to(ROOT)
    parser.add_argument("--write", action="store_true", help=f"mutants: keep the results in {kept}")
    defaults = ", ".join(f"{study.times} for {name}" for name, study in STUDIES.items())
    parser.add_argument("--times", type=int, help=f"gradings of each (default: {defaults})")
    options = parser.parse_intermixed_args()
    if options.kind == "concurrency":
        return run_concurrency()
    if study := STUDIES.get(options.kind):
        names = options.names or study.names
        times = study.times if options.times is None else options.times
        if len(chosen := kinds(names)) != 1 + len(names) or times < 1:
            parser.error(f"one of {', '.join(names)} does not exist in {PATCHES}, or --times is less than 1")
        return run_study(chosen, study.settings, times)
    return run_patches(parser, options)


def run_patches(parser: Parser, options: argparse.Namespace) -> int:
    """Run the patches of one kind and print the results; return 1 when one is not as expected."""
    every = sorted((PATCHES / options.kind).glob("*.patch"))
    if unknown := sorted(set(options.names) - {path.stem for path in every}):
        parser.error(f"no such patch in {PATCHES / options.kind}: {', '.join(unknown)}")
    chosen = [path for path in every if not options.names or path.stem in options.names]
    if options.sample:
        chosen = sorted(Random(options.seed).sample(chosen, min(options.sample, len(chosen))))

    def mutant(shop: Workshop, path: Path) -> Finding:
        return run_mutant(shop, path, whole=options.whole, is_stopped=not (options.whole or options.write))

    runs: dict[str, Callable[[Workshop, Path], Finding]] = {
        "mutants": mutant,
        "alternatives": run_alternative,
        "cheats": run_cheat,
    }
    findings = run_all(chosen, runs[options.kind])
    bad = [finding.name for finding in findings if not finding.good]
    if options.kind == "mutants":
        if options.write:
            MATRIX.write_text(matrix(findings, [path.stem for path in every]))
        elif gone := sorted(set(json.loads(MATRIX.read_text())) - {path.stem for path in every}):
            bad.append(f"{MATRIX.relative_to(ROOT)} lists {', '.join(gone)}, which are not there")
    goals = {"mutants": "killed by a test of their own requirement", "alternatives": "resolved"}
    goal = goals.get(options.kind, "graded as expected")
    print(f"{sum(f.good for f in findings)} of {len(findings)} {goal}")
    if bad:
        print(f"not as expected: {', '.join(bad)}", file=sys.stderr)
    return 1 if bad else 0


def run_all(patches: list[Path], run: Callable[[Workshop, Path], Finding]) -> list[Finding]:
    """Run all patches, two at a time; they may run together, because counters decide."""
    with prepared_workshop(SETTINGS, lambda text: print(text, flush=True)) as shop:

        def numbered(number: int) -> Finding:
            finding = run(shop, patches[number])
            print(f"{number + 1:3}/{len(patches)} {finding.name}: {finding.text}", flush=True)
            return finding

        with ThreadPoolExecutor(WORKERS) as executor:
            return list(executor.map(numbered, range(len(patches))))


def run_mutant(shop: Workshop, patch: Path, *, whole: bool, is_stopped: bool) -> Finding:
    """Run the tests of the mutant's requirement, or the whole suite, on the mutant."""
    requirement = patch.stem[:3]
    try:
        only = None if whole else requirement
        with shop.workbench() as bench:
            urls = (bench.services.postgres_url, bench.services.redis_url)
            folder = patched(shop, patch)
            run = run_share(["tests"], folder, *urls, shop.folder, only, is_stopped=is_stopped)
            costly = found_costly(bench, folder) if requirement == "R01" else ()
    except CandidateError as error:
        return Finding(patch.stem, False, f"cannot be run: {error}")
    # An error alone means that the candidate did not start: no test killed the mutant, its patch is broken.
    broken = {t.nodeid: t.requirement or "API" for t in run.tests if t.outcome == "failed"}
    own = (*costly, *sorted(nodeid for nodeid, judged in broken.items() if judged == requirement))
    others = tuple(sorted(set(broken.values()) - {requirement}))
    errors = sum(test.outcome == "error" for test in run.tests)
    killers = own[0].removeprefix("tests/") if own and is_stopped else len(own)
    summary = f"killed by {killers}" if own else "SURVIVED"
    summary += f", {errors} errors" if errors and not broken else ""
    summary += f", also noticed by {', '.join(others)}" if others else ""
    return Finding(patch.stem, bool(own), summary, own, others, content_digest(folder))


def found_costly(bench: Workbench, folder: Path) -> tuple[str, ...]:
    """What R01.2 measures beside the suite: the CPU time of a warm answer and of the null server's."""
    with bench.stage(SIZES["standard"]) as stage:
        cost, _ = measure_cpu(stage, folder)
    return () if is_cheap([cost]) else (f"R01.2 ({cost.candidate_us} us, null server {cost.null_us} us)",)


def run_alternative(shop: Workshop, patch: Path) -> Finding:
    """Grade another solution: it meets every specified criterion but those that its patch names as broken."""
    breaks = header(patch, "Breaks")

    def is_expected(found: Grading) -> bool:
        expected = "unresolved" if breaks else "resolved"
        return found.outcome.name == expected and ", ".join(found.broken) == breaks

    return run_whole(shop, patch, is_expected)


def run_cheat(shop: Workshop, patch: Path) -> Finding:
    """Grade a cheat: its outcome is the one that its patch names."""
    return run_whole(shop, patch, lambda found: found.outcome.name == header(patch, "Expect"))


def run_whole(shop: Workshop, patch: Path, is_expected: Callable[[Grading], bool]) -> Finding:
    """Grade a patched catalog; a reason that is not expected is told whole."""
    try:
        found = graded(shop, patched(shop, patch), SETTINGS)
    except CandidateError as error:
        return Finding(patch.stem, False, f"cannot be run: {error}")
    good = is_expected(found)
    reason = " ".join([*found.broken, *found.outcome.reason.split()])[: 160 if good else None]
    return Finding(patch.stem, good, f"{found.outcome.name}{' as expected' if good else ''}: {reason}")


def is_test(found: str) -> bool:
    """Whether a mutant was killed by a test, not by what is measured beside the suite."""
    return "::" in found


def matrix(findings: list[Finding], existing: list[str]) -> str:
    """The kill matrix as JSON that diffs well: new rows, and the old ones of mutants that still exist.

    A mutant that only its CPU time betrays has no row.
    """
    rows = {name: row for name, row in json.loads(MATRIX.read_text()).items() if name in existing}
    rows |= {
        finding.name: {
            "requirement": finding.name[:3],
            "mutation": header(PATCHES / "mutants" / f"{finding.name}.patch", "Mutation"),
            "content": finding.content,
            "killed_by": [one for one in finding.killed_by if is_test(one)],
            "also_noticed_by": finding.also_noticed_by,
        }
        for finding in findings
        if finding.good and any(map(is_test, finding.killed_by))
    }
    return json.dumps(dict(sorted(rows.items())), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.exit(main())
