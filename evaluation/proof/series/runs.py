"""Verifies steps, and measures catalogs: starts services, says what comes out, and keeps it in the record."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from evaluation.candidates.folder import content_digest
from evaluation.errors import CandidateError
from evaluation.measure.settings import Settings
from evaluation.pipeline import prepared_workshop
from evaluation.proof.series.costs import Times, Work, times_of, work_of
from evaluation.proof.series.record import Record
from evaluation.proof.series.steps import Step, undone, with_line
from evaluation.proof.series.verification import Effect, effect, seen_of, seen_partly, seen_whole
from evaluation.serving.workbench import Workshop

SETTINGS = Settings(size="standard", with_load=False)
SEED = 847
NOTHING = "nothing by itself"


@dataclass(frozen=True, slots=True)
class Series:
    """The steps, and the folders of the baseline and of all steps by their names, in order."""

    steps: tuple[Step, ...]
    folders: Mapping[str, Path]

    def before(self, step: Step) -> str:
        """The name of the catalog that a step changes."""
        names = list(self.folders)
        return names[names.index(step.name) - 1]


def verify_own(series: Series, record: Record, names: Sequence[str]) -> bool:
    """Run the tests of its own requirement before and after each step; whether all is as it should be."""
    with services() as shop:
        for step in (one for one in series.steps if one.name in names and one.requirement):
            for name in (series.before(step), step.name):
                print(f"{name}: running the tests of {step.requirement}", flush=True)
                record.keep_seen(name, seen_of(shop, series.folders[name], str(step.requirement)))
                record.write()
    return compare(series, record, names)


def verify(series: Series, record: Record, names: Sequence[str], *, sparing: bool) -> bool:
    """Run the suite on catalogs, and tell what steps turned green and red; whether all is as it should be.

    A sparing run leaves out the tests that failed before and behind a step where the suite was run whole.
    """
    good = True
    with services() as shop:
        for name in names:
            try:
                look(shop, series, record, name, sparing=sparing)
            except CandidateError as error:
                print(f"{name}: cannot be run: {error}", flush=True)
                good = False
    return compare(series, record, names) and good


def compare(series: Series, record: Record, names: Sequence[str]) -> bool:
    """Compare what holds after steps with what was seen last before; it is told above their diffs as well.

    Told are the named steps; the result says whether these are as they should be.
    """
    good = True
    for step in series.steps:
        after = record.holds(step.name, content_digest(series.folders[step.name]))
        if after is None:
            continue
        before = record.held_before(step.name)
        found = effect(step, before, after)
        record.keep_effect(step.name, found)
        with_line(step, "Turns green", ", ".join(found.green) or NOTHING)
        if step.name in names:
            print(f"{step.name}: {told(found)}", flush=True)
            good = good and found.is_good
    record.write()
    return good


def look(shop: Workshop, series: Series, record: Record, name: str, *, sparing: bool) -> None:
    """Run the suite on a catalog, whole or not, and keep what was seen."""
    folder = series.folders[name]
    unmet = record.failed_around(name)
    if sparing and unmet.tests:
        print(f"{name}: running the suite without {len(unmet.tests)} tests", flush=True)
        tests = record.tests.keys() - unmet.tests
        record.keep_seen(name, seen_partly(shop, folder, tests, unmet.criteria))
    else:
        print(f"{name}: running the suite", flush=True)
        record.keep_seen(name, seen_whole(shop, folder, SEED))
    record.write()


def told(found: Effect) -> str:
    """What a step did, in words."""
    text = f"turns green {', '.join(found.green) or NOTHING}"
    text += f"; turns red {', '.join(found.red)}" if found.red else ""
    text += f"; lacks {', '.join(found.lacking)}" if found.lacking else ""
    return text if found.is_good else f"{text}: NOT AS IT SHOULD BE"


def count(series: Series, record: Record, names: Sequence[str]) -> None:
    """Count the work of single requests."""
    with services() as shop:
        for name in names:
            work = work_of(shop, series.folders[name])
            record.keep(name, content_digest(series.folders[name]), work=work)
            record.write()
            print(f"{name}: {counted(work)}", flush=True)


def measure(series: Series, record: Record, names: Sequence[str]) -> None:
    """Time pages."""
    with services() as shop:
        for name in names:
            times = times_of(shop, series.folders[name])
            record.keep(name, content_digest(series.folders[name]), times=asdict(times))
            record.write()
            print(f"{name}: {timed(times)}", flush=True)


def ablate(series: Series, scratch: Path, record: Record, names: Sequence[str]) -> None:
    """Measure what the reference costs without what each step brings."""
    with services() as shop:
        for step in (one for one in series.steps if one.name in names):
            what, reason = without(shop, step, scratch / step.name)
            record.keep_without(step.name, what, reason)
            record.write()
            print(f"reference without {step.name}: {counted(what['work']) if what else reason}", flush=True)


def without(shop: Workshop, step: Step, folder: Path) -> tuple[dict[str, Any] | None, str | None]:
    """The costs of the reference without a step, or the reason why they are not known."""
    if reason := undone(step, folder):
        return None, reason
    try:
        return {"work": work_of(shop, folder), "times": asdict(times_of(shop, folder))}, None
    except CandidateError as error:
        return None, str(error).splitlines()[-1]


def counted(work: Work) -> str:
    """What a cold page costs, in words."""
    return ", ".join(f"{value:,} {name}" for name, value in work["first_page_cold"].items())


def timed(times: Times) -> str:
    """How long pages take, in words."""
    warm = f"P95 {times.p95_ms} ms of 500 clients" if times.p95_ms else "too dear for 500 clients"
    return f"cold page {times.cold_ms} ms; warm page {times.warm_cpu_us} us of CPU, {warm}"


@contextmanager
def services() -> Iterator[Workshop]:
    """Seeded services."""
    with prepared_workshop(SETTINGS, lambda text: print(text, flush=True)) as shop:
        yield shop
