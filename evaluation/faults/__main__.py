"""The fault suite: `python -m evaluation.faults [--candidate DIR] [NAME...]`.

Two processes of a candidate are read and written all the time while one thing after another fails: Redis,
Postgres, clients, and at last a process itself. Every answer is compared with what was written. The table,
and a file of JSON beside the reports, tell how many answers were right, refused (503 with Retry-After, or no
connection), failed (another status), silent (none in 20 s), stale or wrong; after how many seconds the
catalog had recovered; and how many connections were leaked: left inside a transaction, or missing from the
pool.

Exit status: 0 when nothing was stale, wrong, failed or silent, no connection was leaked, and the catalog
recovered each time; else 1. It is 2 when there is no result, because something failed on our side or Ctrl-C
was pressed, and 64 after a usage error.
"""

import argparse
import json
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Collection, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from evaluation.candidates.folder import checked_directory, copied
from evaluation.database.dataset import SIZES
from evaluation.database.expected import expected_products
from evaluation.errors import NO_VERDICT, EvaluationError
from evaluation.faults.faults import FAULTS, TOLD_S, Fault, Scene, lasting
from evaluation.faults.history import RIGHT, STALE, WRONG, History
from evaluation.faults.restartable import restartable_services
from evaluation.faults.traffic import FAILED, PRODUCTS, REFUSED, SILENT, Traffic, flowing
from evaluation.machine.environment import cleaned
from evaluation.machine.room import allow_open_files
from evaluation.parser import Parser
from evaluation.report.whole import written_whole
from evaluation.services.cleaner import Cleaner
from evaluation.services.services import Services
from evaluation.serving.spawn import ForkServers
from evaluation.serving.workbench import Workbench

ROOT = Path(__file__).parents[2]
REPORTS = ROOT / "evaluation" / "reports" / "faults"
BEFORE_S, AFTER_S, WELL_S, EMPTY_S = 1.0, 1.0, 15.0, 5.0
TERMINATED = "process terminated"
NAMES = (*(fault.name for fault in FAULTS), TERMINATED)
OUTCOMES = (RIGHT, REFUSED, FAILED, SILENT, STALE, WRONG)


@dataclass(frozen=True, slots=True)
class Result:
    """What clients saw of one fault; `recovered_s` is None when it did not recover."""

    fault: str
    answers: dict[str, int]
    recovered_s: float | None
    leaked: int
    first: dict[str, str] = field(default_factory=dict)

    def is_good(self, *, refuses: bool) -> bool:
        """Whether only what may be refused was refused, and everything else was right."""
        bad = {FAILED, SILENT, STALE, WRONG} | (set() if refuses else {REFUSED})
        return self.recovered_s is not None and not self.leaked and not bad & self.answers.keys()


def main() -> int:
    """Run the faults on one candidate; return the exit status."""
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--candidate", type=Path, default=ROOT / "repository_after", metavar="DIR", help="folder of a catalog"
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="faults to make, as the table names them")
    options = parser.parse_args()
    if unknown := sorted(set(options.names) - set(NAMES)):
        parser.error(f"there is {', '.join(NAMES)}, and no {', '.join(unknown)}")
    started = time.monotonic()
    try:
        with cleaned():
            results = run(checked_directory(options.candidate), options.names or NAMES)
    except (KeyboardInterrupt, Exception) as error:
        return status_without_results(error)
    path = REPORTS / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}.json"
    told = {
        "candidate": options.candidate.name,
        "duration_seconds": round(time.monotonic() - started, 1),
        "results": [asdict(result) for result in results],
    }
    written_whole(path, json.dumps(told, indent=2).encode() + b"\n")
    print(f"report: {path}")
    refusing = {TERMINATED, *(fault.name for fault in FAULTS if fault.refuses)}
    return 0 if all(one.is_good(refuses=one.fault in refusing) for one in results) else 1


def status_without_results(error: BaseException) -> int:
    """Tell why there are no results; return the exit status."""
    if was_interrupted(error):
        print("interrupted: no report was written, and everything was removed", file=sys.stderr)
        return NO_VERDICT
    if isinstance(error, EvaluationError):
        print(error, file=sys.stderr)
        return error.status
    traceback.print_exception(error)
    return NO_VERDICT


def was_interrupted(error: BaseException | None) -> bool:
    """Whether an error is Ctrl-C, or one that came up on the way out: a service may be stopped by a fault."""
    return error is not None and (isinstance(error, KeyboardInterrupt) or was_interrupted(error.__context__))


def run(candidate: Path, names: Collection[str]) -> list[Result]:
    """Make one fault after another while clients go on, and print a line for each."""
    heads = "".join(f"{outcome:>9}" for outcome in OUTCOMES)
    print(f"{'fault':<28}{heads}{'recovered':>12}{'leaked':>8}", flush=True)
    results = []
    with scene_of(candidate) as scene:
        history = History({row["id"]: row for row in expected_products(scene.stage.admin_url, ROWS)})
        with flowing(scene.servers, history) as traffic:
            for fault in (fault for fault in FAULTS if fault.name in names):
                time.sleep(BEFORE_S)
                results.append(result := observed(fault, scene, traffic))
                print(line_of(result), flush=True)
        if TERMINATED in names:
            results.append(result := terminated(scene, history))
            print(line_of(result), flush=True)
    return results


ROWS = f"where is_active order by id limit {PRODUCTS}"


@contextmanager
def scene_of(candidate: Path) -> Iterator[Scene]:
    """Two processes of a candidate, on services that can be stopped."""
    allow_open_files()
    with ExitStack() as stack:
        cleaner = stack.enter_context(Cleaner())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="hofaz9-faults-")))
        cleaner.folder(folder)
        services = stack.enter_context(restartable_services(folder, cleaner))
        forkservers = stack.enter_context(ForkServers(cleaner))
        urls = Services(services.postgres_url, services.redis_url, "embedded")
        bench = Workbench(urls, cleaner, forkservers, folder)
        served = copied(candidate, folder / "served" / candidate.name)
        stage = stack.enter_context(bench.stage(SIZES["small"]))
        servers = tuple(stack.enter_context(stage.serving(served)) for _ in range(2))
        yield Scene(services, stage, servers)


def observed(fault: Fault, scene: Scene, traffic: Traffic) -> Result:
    """Make a fault, wait until all is well again, and count."""
    traffic.forget(fault.grace_s)
    with lasting(fault, scene):
        pass
    mended = time.monotonic()
    recovered_s = None
    while recovered_s is None and time.monotonic() < mended + WELL_S:
        if traffic.is_well():
            recovered_s = round(time.monotonic() - mended, 1)
    time.sleep(AFTER_S)
    answers, first = traffic.seen()
    return Result(fault.name, answers, recovered_s, leaked(scene, traffic), first)


def terminated(scene: Scene, history: History) -> Result:
    """Terminate a process while clients ask it: what it has accepted is answered, and it ends by itself."""
    with closing(scene.stage.counters()) as counters:
        sessions = counters.sessions()
        folder = scene.servers[0].directory
        with scene.stage.serving(folder) as server, flowing((server,), history) as traffic:
            time.sleep(BEFORE_S)
            traffic.forget(TOLD_S)
            started = time.monotonic()
            server.process.stop()
            ended_after_s = round(time.monotonic() - started, 1)
        # uvicorn ends by the signal that it has heeded.
        if server.process.returncode not in (0, -signal.SIGTERM):
            traffic.note(FAILED, f"the process ended with status {server.process.returncode}")
        answers, first = traffic.seen()
        return Result(TERMINATED, answers, ended_after_s, max(0, counters.sessions() - sessions), first)


def leaked(scene: Scene, traffic: Traffic) -> int:
    """Connections inside a transaction or checked out of a pool, while the clients pause."""
    with traffic.paused(), closing(scene.stage.counters()) as counters:
        deadline = time.monotonic() + EMPTY_S
        while True:
            out = sum(server.ask("pool")["checked_out"] or 0 for server in scene.servers)
            left = out + counters.busy()
            if not left or time.monotonic() > deadline:
                return left
            time.sleep(0.05)


def line_of(result: Result) -> str:
    """A line of the table, and below it the first answer of each kind that is not right."""
    counts = "".join(f"{result.answers.get(outcome, 0):>9}" for outcome in OUTCOMES)
    well = "never" if result.recovered_s is None else f"{result.recovered_s:.1f} s"
    more = "".join(f"\n    {outcome}: {told}" for outcome, told in result.first.items())
    return f"{result.fault:<28}{counts}{well:>12}{result.leaked:>6}{more}"


if __name__ == "__main__":
    sys.exit(main())
