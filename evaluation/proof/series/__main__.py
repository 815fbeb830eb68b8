"""The series of steps from the baseline to the reference: `python -m evaluation.proof.series [OPTION...]`.

Without an option: builds the catalogs from `patches/series` and checks that the last is the reference. What
is seen of them is kept in `trajectory/series.json`. A STEP is a number (5), a requirement (R04) or a name;
0 is the baseline.
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from evaluation.candidates.folder import contents, copied
from evaluation.errors import UsageError
from evaluation.parser import Parser
from evaluation.pipeline import REFERENCE
from evaluation.proof.series.record import Record
from evaluation.proof.series.runs import Series, ablate, count, measure, verify, verify_own
from evaluation.proof.series.steps import START, Step, build, rewrite, steps
from evaluation.proof.series.table import table


def main() -> int:
    """Do what the options ask for; return 1 when something does not hold, 64 for what does not exist."""
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    several: dict[str, Any] = {"nargs": "*", "metavar": "STEP"}
    parser.add_argument("--verify", **several, help="run the suite on steps (default: all)")
    parser.add_argument(
        "--own", **several, help="run the tests of their own requirement on steps (default: all)"
    )
    parser.add_argument(
        "--sparing", action="store_true", help="leave out tests that failed before and behind a step"
    )
    parser.add_argument("--count", **several, help="count the work of single requests (default: of all)")
    parser.add_argument("--measure", **several, help="time pages, with 500 clients as well (default: of all)")
    parser.add_argument("--without", **several, help="measure the reference without steps (default: all)")
    parser.add_argument("--to", type=Path, metavar="FOLDER", help="write the catalogs into a new folder")
    parser.add_argument(
        "--from", dest="origin", type=Path, metavar="FOLDER", help="write the patches from such a folder"
    )
    parser.add_argument("--table", action="store_true", help="print what was seen as a Markdown table")
    options = parser.parse_args()
    try:
        return run(options)
    except UsageError as error:
        parser.error(str(error))


def run(options: argparse.Namespace) -> int:
    """Write patches where that is asked for; then build all catalogs and do the rest with them."""
    found = steps()
    if options.origin:
        print("written anew: " + (", ".join(rewrite(folders_in(options.origin, found))) or "nothing"))
    if options.to and options.to.exists():
        raise UsageError(f"{options.to} exists")
    with tempfile.TemporaryDirectory(prefix="hofaz9-series-") as scratch:
        folders = build(Path(scratch) / "series", found)
        wrong = sum_is_wrong(folders[-1])
        print(wrong or f"{len(found)} steps lead from the baseline to the reference", flush=True)
        if options.to:
            copied(Path(scratch) / "series", options.to)
        return 1 if wrong else look(Series(found, {one.name: one for one in folders}), options, Path(scratch))


def look(series: Series, options: argparse.Namespace, scratch: Path) -> int:
    """Verify and measure what the options name; return 1 when a step is not as it should be."""
    record = Record(list(series.folders))
    good = True
    if options.own is not None:
        good = verify_own(series, record, chosen(series.steps, options.own))
    if options.verify is not None:
        good = verify(series, record, chosen(series.steps, options.verify), sparing=options.sparing) and good
    if options.count is not None:
        count(series, record, chosen(series.steps, options.count))
    if options.measure is not None:
        measure(series, record, chosen(series.steps, options.measure))
    if options.without is not None:
        ablate(series, scratch / "without", record, chosen(series.steps, options.without))
    if options.table:
        print(table(series.steps, record))
    return 0 if good else 1


def folders_in(origin: Path, series: Sequence[Step]) -> list[Path]:
    """The folders of all steps; UsageError when one is missing."""
    folders = [origin / step.name for step in series]
    if missing := [folder.name for folder in folders if not folder.is_dir()]:
        raise UsageError(f"{origin} has no {', '.join(missing)}")
    return folders


def sum_is_wrong(last: Path) -> str:
    """Which files of the last step differ from the reference; empty when none does."""
    made, wanted = contents(last), contents(REFERENCE)
    differing = sorted(name for name in made.keys() | wanted.keys() if made.get(name) != wanted.get(name))
    return f"the steps do not lead to the reference: {', '.join(differing)} differ" if differing else ""


def chosen(series: Sequence[Step], words: Sequence[str]) -> list[str]:
    """The names of the catalogs that words mean, in their order; all without a word."""
    names = {"0": START, START: START}
    for step in series:
        names |= {str(step.number): step.name, f"{step.number:02}": step.name, step.name: step.name}
        if step.requirement:
            names[step.requirement] = step.name
    if unknown := [word for word in words if word not in names]:
        raise UsageError(f"no such step: {', '.join(unknown)}")
    return sorted({names[word] for word in words} if words else set(names.values()))


if __name__ == "__main__":
    sys.exit(main())
