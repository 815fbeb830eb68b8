"""What many gradings would cost: `python -m evaluation.cluster.plan`.

Seconds and bytes are those of the gradings in the store, which workers sent. A plan draws as many of them as
there are predictions, by a seed, and hands each to the worker that is free first, as a run does.
"""

import argparse
import heapq
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from evaluation.candidates import store
from evaluation.errors import RESOLVED, USAGE
from evaluation.parser import Parser
from evaluation.report.document import as_bytes
from evaluation.report.html.page import page


@dataclass(frozen=True, slots=True)
class Seen:
    """What one grading took: seconds of its worker, bytes in the store, bytes of its report and its page."""

    outcome: str
    seconds: float
    stored_bytes: int
    written_bytes: int


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run would take on so many machines."""

    workers: int
    hours: float
    machine_hours: float


def main() -> int:
    """Print what was measured, and a plan for each number of workers."""
    options = Parser(prog="python -m evaluation.cluster.plan", description=__doc__)
    options.formatter_class = argparse.RawDescriptionHelpFormatter
    options.add_argument("--predictions", type=int, default=10_000, metavar="N", help="(default: 10000)")
    options.add_argument("--workers", type=int, nargs="+", default=[1, 10, 50, 100], metavar="N")
    options.add_argument(
        "--first", type=float, default=0.0, metavar="S", help="seconds for both sides, once each"
    )
    options.add_argument("--price", type=float, metavar="P", help="price of a machine for an hour")
    options.add_argument("--seed", type=int, default=0, metavar="N")
    options.add_argument("--outcomes", nargs="+", metavar="NAME", help="draw from these alone, like resolved")
    chosen = options.parse_args()
    found = [seen(path) for path in sorted((store.FOLDER / store.GRADINGS).glob("*.json.gz"))]
    found = [one for one in found if not chosen.outcomes or one.outcome in chosen.outcomes]
    if not found:
        print(f"no such grading in {store.FOLDER}: run `grade --scheduler` first")
        return USAGE
    drawn = Random(chosen.seed).choices(found, k=chosen.predictions)
    print(measured(found))
    print(sizes(drawn))
    for workers in chosen.workers:
        print(told(planned([one.seconds for one in drawn], workers, chosen.first), chosen.price))
    return RESOLVED


def seen(path: Path) -> Seen:
    """What one stored grading took, and the size of the files that a run writes of it."""
    graded = store.grading_from(path)
    written = len(as_bytes(graded.report)) + len(page(graded.report).encode())
    return Seen(graded.report["outcome"], graded.seconds, path.stat().st_size, written)


def planned(seconds: Sequence[float], workers: int, first: float) -> Plan:
    """Hand each grading to the worker that is free first; each measures both sides at its beginning."""
    free = [first] * workers
    for one in seconds:
        heapq.heappush(free, heapq.heappop(free) + one)
    return Plan(workers, max(free) / 3600, (sum(seconds) + workers * first) / 3600)


def measured(found: Sequence[Seen]) -> str:
    """The gradings that a plan stands on, by outcome."""
    lines = [f"measured: {len(found)} gradings"]
    for outcome in sorted({one.outcome for one in found}):
        those = [one for one in found if one.outcome == outcome]
        took = statistics.median(one.seconds for one in those)
        stored = statistics.median(one.stored_bytes for one in those)
        written = statistics.median(one.written_bytes for one in those)
        lines.append(
            f"  {len(those):>4} {outcome:<13} median {took:5.0f} s, {stored / 1000:5.0f} kB in the store, "
            f"{written / 1000:6.0f} kB of report and page"
        )
    return "\n".join(lines)


def sizes(drawn: Sequence[Seen]) -> str:
    """The bytes of all of them."""
    stored = sum(one.stored_bytes for one in drawn) / 1e9
    written = sum(one.written_bytes for one in drawn) / 1e9
    return f"{len(drawn):,} predictions: {stored:.1f} GB in the store, {written:.1f} GB of reports and pages"


def told(plan: Plan, price: float | None) -> str:
    """A plan in one line."""
    cost = f", {plan.machine_hours * price:,.0f} at {price} an hour" if price else ""
    return f"{plan.workers:>5} workers: {plan.hours:7.1f} h, {plan.machine_hours:6.0f} machine hours{cost}"


if __name__ == "__main__":
    raise SystemExit(main())
