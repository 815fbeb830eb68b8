"""The command line: `python evaluation/evaluation.py [grade PATH... | regrade REPORT | explain REPORT]`."""

import argparse
import json
import os
import secrets
import sys
import traceback
from collections.abc import Callable, Generator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema

from evaluation.candidates.patches import is_patch
from evaluation.candidates.submissions import Submission, read_submissions
from evaluation.criteria import CriteriaError
from evaluation.errors import NO_VERDICT, RESOLVED, UNRESOLVED, USAGE, EvaluationError, UsageError
from evaluation.machine import environment
from evaluation.machine.room import make_room
from evaluation.measure.settings import Progress
from evaluation.options import PROFILES, SCALE, add_common, destination_of, settings_of, version, view_of
from evaluation.parser import Parser
from evaluation.pipeline import ROOT, evaluate, grade
from evaluation.report import committed, document, explain, junit, markdown, predictions, terminal
from evaluation.report.html.beside import write_beside
from evaluation.report.printable import printable
from evaluation.report.regrading import Regrading, regrade
from evaluation.report.whole import written_whole

COMMANDS = """commands:
  evaluation.py grade PATH...          grade folders, patches and predictions
  evaluation.py regrade REPORT         judge the measurements of a report again
  evaluation.py explain REPORT [TEST]  print what failed, or all about one test or criterion
(each with --help)
"""
STATUSES = "Exit status: 0 resolved, 1 not resolved, 2 no verdict (a failure on our side), 64 usage error."


def main() -> int:
    """Run the command that the arguments name; return the exit status."""
    commands: dict[str, Callable[[list[str]], int]] = {
        "grade": grade_main,
        "regrade": regrade_main,
        "explain": explain_main,
    }
    arguments = sys.argv[1:]
    try:
        with environment.cleaned():
            if arguments and arguments[0] in commands:
                return commands[arguments[0]](arguments[1:])
            return evaluate_main(arguments)
    except EvaluationError as error:
        whose = {UNRESOLVED: "candidate", USAGE: "usage", NO_VERDICT: "no verdict"}[error.status]
        print(printable(f"{whose}: {error}"), file=sys.stderr)
        return error.status
    except CriteriaError as error:
        print(printable(f"no verdict: {error}"), file=sys.stderr)
        return NO_VERDICT
    except KeyboardInterrupt:
        print("interrupted: finished reports are kept, everything else was removed", file=sys.stderr)
        return NO_VERDICT
    except Exception:
        traceback.print_exc()
        return NO_VERDICT


def evaluate_main(arguments: list[str]) -> int:
    """Measure the baseline and one candidate side by side; return the exit status."""
    options = Parser(
        prog="evaluation.py",
        description="Run the suite on baseline and candidate, count their work, judge and report.",
        epilog=f"{COMMANDS}\n{STATUSES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    options.add_argument("--version", action="version", version=f"hofaz9 {version()}")
    options.add_argument(
        "--candidate",
        type=Path,
        default=ROOT / "repository_after",
        metavar="DIR",
        help="folder to evaluate (default: repository_after)",
    )
    add_common(options, "full", PROFILES | SCALE)
    chosen = options.parse_args(arguments)
    destination = destination_of(chosen)
    make_room(destination.folders())
    with view_of(chosen, f"evaluate-{chosen.profile}") as view:
        found = evaluate(chosen.candidate, settings_of(chosen), view.progress)
        report = document.as_report(found)
        if found.after.candidate == "repository_after" and (
            mismatch := committed.mismatch(report["results"]["comparison"])
        ):
            report |= {"outcome": "no_verdict", "success": False, "hardened": False, "error": mismatch}
        view.summary(terminal.summary(report))
        stamp = f"{found.started_at:%Y%m%dT%H%M%SZ}-{found.run_id}"
        path = destination.write(report, stamp)
        if path != destination.file:
            written_whole(path.with_name("summary.md"), markdown.text([report]).encode())
        view.wrote("report", path, report)
    return view.end(status_of(report))


def grade_main(arguments: list[str]) -> int:
    """Grade every submission, one after another; return the exit status."""
    options = Parser(
        prog="evaluation.py grade",
        description="Grade candidates: folders, patches against repository_before, or files of predictions "
        "(.json or .jsonl with instance_id, model_name_or_path, model_patch). Writes one report for each and "
        "prints a table. Measurements are reused when candidate, harness and conditions are unchanged.",
        epilog="Outcomes: resolved, unresolved, empty_patch, patch_failed, timeout, tampered, no_verdict. "
        + STATUSES,
    )
    options.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="folder, patch or predictions")
    options.add_argument("--fresh", action="store_true", help="measure everything again, reuse nothing")
    options.add_argument(
        "--reuse",
        type=Path,
        metavar="REPORT",
        help="take baseline and reference from this report, which was made under the same conditions",
    )
    options.add_argument("--junit", type=Path, metavar="FILE", help="write the tests as JUnit XML")
    options.add_argument("--markdown", type=Path, metavar="FILE", help="write a summary for a pull request")
    options.add_argument(
        "--scheduler",
        metavar="ADDRESS",
        help="grade on the workers of this Dask scheduler, see docs/scale.md",
    )
    add_common(options, "quick", PROFILES)
    chosen = options.parse_args(arguments)
    submissions = read_submissions(chosen.paths)
    if prose := [one.source for one in submissions if one.model is None and is_prose(one.patch)]:
        raise UsageError(f"{prose[0]} is no folder, no patch and no file of predictions")
    if chosen.output and len(submissions) > 1:
        raise UsageError(f"--output is for one report, and there are {len(submissions)}: use --out DIR")
    if chosen.scheduler and chosen.reuse:
        raise UsageError("--reuse is for one machine: with --scheduler each has a baseline of its own")
    destination = destination_of(chosen)
    stamp = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}"
    files = [path for path in (chosen.junit, chosen.markdown) if path]
    make_room([*destination.folders(), *(path.absolute().parent for path in files)])
    instance = committed.instance()
    reports: list[dict[str, Any]] = []
    kind = f"{'spread' if chosen.scheduler else 'grade'}-{chosen.profile}-{len(submissions)}"
    with view_of(chosen, kind) as view, closing(reported(chosen, submissions, view.progress)) as found:
        for submission, report in found:
            reports.append(report)
            view.wrote("report", destination.write(report, stamp, submission.name), report)
            if submission.model is not None:
                folder = destination.folder_of(stamp) / "predictions"
                written = predictions.write(submission.name, report, instance, folder)
                view.wrote("predictions", written, report)
            if chosen.junit:
                junit.write(reports, chosen.junit)
            if chosen.markdown:
                written_whole(chosen.markdown, markdown.text(reports).encode())
        view.summary(terminal.gradings(reports))
    return view.end(max(map(status_of, reports)))


def reported(
    chosen: argparse.Namespace, submissions: list[Submission], progress: Progress
) -> Generator[tuple[Submission, dict[str, Any]], None, None]:
    """Every submission with its report, as soon as it is known: graded here, or by a scheduler's workers."""
    settings = settings_of(chosen)
    if chosen.scheduler:
        # Dask is not in the image, where nothing is spread.
        from evaluation.cluster.spread import spread

        yield from spread(chosen.scheduler, submissions, settings, progress)
        return
    reuse = read_report(chosen.reuse) if chosen.reuse else None
    with closing(grade(submissions, settings, progress, reuse)) as found:
        for submission, one in zip(submissions, found, strict=True):
            yield submission, document.as_report(one)


def is_prose(patch: bytes | None) -> bool:
    """Whether what is handed in as a patch is words and no patch; an empty file is an empty patch."""
    return patch is not None and bool(patch.strip()) and not is_patch(patch)


def regrade_main(arguments: list[str]) -> int:
    """Compute the verdicts of a report again, from its measurements alone; return the exit status."""
    options = Parser(
        prog="evaluation.py regrade",
        description="Judge the measurements in a report again, without running anything, and compare the "
        "verdicts with the stored ones.",
        epilog=STATUSES,
    )
    options.add_argument("report", type=Path, metavar="REPORT", help="a report.json")
    chosen = options.parse_args(arguments)
    report = read_report(chosen.report)
    found = regrade(report)
    print(f"stored: {report['outcome']}, judged again: {found.outcome.name}")
    write_beside([chosen.report], report, remark_on(found))
    if found.outcome.reason:
        print(printable(found.outcome.reason))
    if found.differences:
        names = ", ".join(found.differences)
        print(
            f"the rules have changed since: the stored {names} differ from those judged now", file=sys.stderr
        )
        return NO_VERDICT
    return status_of(report)


def remark_on(found: Regrading) -> str:
    """What the page of a report tells after it was judged again."""
    remark = f"Judged again by version {version()}: {found.outcome.name}."
    names = ", ".join(found.differences)
    return f"{remark} The stored {names} differ from what is judged now." if names else remark


def explain_main(arguments: list[str]) -> int:
    """Print what failed in a report, or one test or criterion whole; return the exit status."""
    options = Parser(
        prog="evaluation.py explain",
        description="Tell what failed in a report. With TEST, tell the criterion of one test, its outcome on "
        "both sides, and its whole message.",
        epilog=f"Exit status: 0, or {USAGE} when there is no such report or test.",
    )
    options.add_argument("report", type=Path, metavar="REPORT", help="a report.json")
    options.add_argument(
        "test",
        nargs="?",
        metavar="TEST",
        help="a test id, a part of one that no other test has, or a criterion (all tests of it)",
    )
    chosen = options.parse_args(arguments)
    try:
        print(explain.text(read_report(chosen.report), chosen.test), flush=True)
    except BrokenPipeError:
        # `| head` has seen enough. What is left in the buffer must not fail again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return RESOLVED


def read_report(path: Path) -> dict[str, Any]:
    """Read a report; raise UsageError with the reason when the file is not one."""
    try:
        report: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        document.validate(report)
    except (OSError, ValueError, jsonschema.ValidationError) as error:
        raise UsageError(f"{path} is not a report: {str(error).splitlines()[0]}") from error
    return report


def status_of(report: dict[str, Any]) -> int:
    """The exit status for the outcome of a report."""
    return {"resolved": RESOLVED, "no_verdict": NO_VERDICT}.get(report["outcome"], UNRESOLVED)
