"""The series of steps from the baseline to the reference: `python -m evaluation.proof.series [OPTION...]`.

Without an option: builds the catalogs from `patches/series` and checks that the last is the reference. What
is seen of them is kept in `trajectory/series.json`. A STEP is a number (5), a requirement (R04) or a name;
0 is the baseline.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from evaluation.candidates.folder import content_digest, contents, copied
from evaluation.errors import CandidateError, UsageError
from evaluation.measure.settings import Settings
from evaluation.parser import Parser
from evaluation.pipeline import REFERENCE, prepared_workshop
from evaluation.proof.series.costs import costs_of
from evaluation.proof.series.record import Record
from evaluation.proof.series.steps import START, Step, build, reverted, rewrite, steps, with_line
from evaluation.proof.series.verification import effect, seen_whole
from evaluation.serving.workbench import Workshop

SETTINGS = Settings(size="standard", with_load=False)
SEED = 847
NOTHING = "nothing by itself"


def main() -> int:
    """Do what the options ask for; 1 when something does not hold, 64 for what does not exist."""
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    several = {"nargs": "*", "metavar": "STEP"}
    parser.add_argument("--verify", **several, help="run the suite on steps (default: all)")
    parser.add_argument("--measure", **several, help="measure what the catalogs of steps cost (default: all)")
    parser.add_argument("--without", **several, help="measure the reference without steps (default: all)")
    parser.add_argument("--to", type=Path, metavar="FOLDER", help="write the catalogs into a new folder")
    parser.add_argument(
        "--from", dest="origin", type=Path, metavar="FOLDER", help="write the patches from such a folder"
    )
    options = parser.parse_args()
    try:
        return run(options)
    except UsageError as error:
        parser.error(str(error))


def run(options: argparse.Namespace) -> int:
    """Write patches where that is asked for; then build all catalogs, look at them, and verify and measure."""
    series = steps()
    if options.origin:
        print("written anew: " + (", ".join(rewrite(folders_in(options.origin, series))) or "nothing"))
    if options.to and options.to.exists():
        raise UsageError(f"{options.to} exists")
    with tempfile.TemporaryDirectory(prefix="hofaz9-series-") as scratch:
        folders = dict(zip([START, *(step.name for step in series)], build(Path(scratch) / "series"), strict=True))
        wrong = sum_is_wrong(folders[series[-1].name])
        print(wrong or f"{len(series)} steps lead from the baseline to the reference", flush=True)
        if options.to:
            copied(Path(scratch) / "series", options.to)
        if wrong:
            return 1
        record = Record(list(folders))
        good = True
        if options.verify is not None:
            good = verify(series, folders, record, chosen(series, options.verify))
        if options.measure is not None:
            measure(folders, record, chosen(series, options.measure))
        if options.without is not None:
            ablate(series, Path(scratch), record, chosen(series, options.without))
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


def verify(series: Sequence[Step], folders: dict[str, Path], record: Record, names: Sequence[str]) -> bool:
    """Run the suite on catalogs and say what each step turned green and red; whether all is as it should be.

    A step is compared with the one before as it was seen last; where that was never seen, it is run, too.
    """
    before_of = dict(zip(list(folders)[1:], folders, strict=False))
    by_name = {step.name: step for step in series}
    good = True
    with services() as shop:

        def holds(name: str, *, anew: bool) -> dict[str, bool | None]:
            known = None if anew else record.holds(name, content_digest(folders[name]))
            if known is None:
                print(f"{name}: running the suite", flush=True)
                record.keep_seen(name, seen_whole(shop, folders[name], SEED))
                record.write()
            found = record.holds(name, content_digest(folders[name]))
            assert found is not None
            return found

        for name in names:
            try:
                if name == START:
                    holds(name, anew=True)
                    continue
                before, after = holds(before_of[name], anew=False), holds(name, anew=True)
            except CandidateError as error:
                print(f"{name}: cannot be run: {error}", flush=True)
                good = False
                continue
            found = effect(by_name[name], before, after)
            record.keep_effect(name, found)
            record.write()
            with_line(by_name[name], "Turns green", ", ".join(found.green) or NOTHING)
            text = f"{name}: turns green {', '.join(found.green) or NOTHING}"
            text += f"; RED {', '.join(found.red)}" if found.red else ""
            text += f"; LACKS {', '.join(found.lacking)}" if found.lacking else ""
            print(text if found.is_good else f"{text}: NOT AS IT SHOULD BE", flush=True)
            good = good and found.is_good
    return good


def measure(folders: dict[str, Path], record: Record, names: Sequence[str]) -> None:
    """Measure what catalogs cost."""
    with services() as shop:
        for name in names:
            costs = costs_of(shop, folders[name])
            record.keep_costs(name, content_digest(folders[name]), costs.as_json())
            record.write()
            page = costs.work["first_page_cold"]
            told = ", ".join(f"{value:,} {counter}" for counter, value in page.items())
            print(f"{name}: {told}, {costs.cold_ms} ms, P95 {costs.p95_ms} ms", flush=True)


def ablate(series: Sequence[Step], scratch: Path, record: Record, names: Sequence[str]) -> None:
    """Measure what the reference costs without each step, where git can take the step back."""
    with services() as shop:
        for step in (one for one in series if one.name in names):
            folder = scratch / "without" / step.name
            reason = reverted(step, folder)
            costs = None
            if reason is None:
                try:
                    costs = costs_of(shop, folder)
                except CandidateError as error:
                    reason = str(error).splitlines()[0]
            record.keep_without(step.name, costs.as_json() if costs else None, reason)
            record.write()
            told = f"{costs.work['first_page_cold']}, {costs.cold_ms} ms" if costs else reason
            print(f"reference without {step.name}: {told}", flush=True)


@contextmanager
def services() -> Iterator[Workshop]:
    """Seeded services."""
    with prepared_workshop(SETTINGS, lambda text: print(text, flush=True)) as shop:
        yield shop


if __name__ == "__main__":
    sys.exit(main())
