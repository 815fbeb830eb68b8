"""One grading in a process of its own, on a worker: a pickled submission comes in, a report goes out.

It is what `grade` does on one machine: Ctrl-C and the loss of a service interrupt its main thread, and all
that it made is removed, however it ends. `running.py` starts `python -m evaluation.cluster.grading`.
"""

import json
import os
import pickle
import signal
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

from evaluation.candidates.submissions import Submission
from evaluation.criteria import CriteriaError
from evaluation.errors import NO_VERDICT, RESOLVED, EvaluationError
from evaluation.machine.environment import cleaned
from evaluation.machine.room import make_room
from evaluation.measure.settings import Settings
from evaluation.pipeline import grade
from evaluation.report.document import as_bytes, as_report
from evaluation.report.printable import printable


def main() -> int:
    """Grade what stands on standard input; the answer is one object, with a `report` or a `failure`."""
    # A shell starts what is in the background with Ctrl-C switched off.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    submission, settings = pickle.load(sys.stdin.buffer)
    # Whatever else is printed goes to the worker's log.
    with open(os.dup(1), "wb") as answers:
        os.dup2(2, 1)
        try:
            with cleaned():
                answer: dict[str, Any] = {"report": graded(submission, settings)}
        except (EvaluationError, CriteriaError) as error:
            answer = {"failure": str(error)}
        except KeyboardInterrupt:
            return NO_VERDICT
        answers.write(json.dumps(answer).encode())
    return RESOLVED


def graded(submission: Submission, settings: Settings) -> dict[str, Any]:
    """The report on a submission, as one machine makes it; baseline and reference come from its store."""
    make_room([])
    with closing(grade([submission], settings, told)) as found:
        [one] = found
    report = as_report(one)
    as_bytes(report)
    return report


def told(text: str) -> None:
    """Tell the worker's log how far a grading is."""
    print(printable(text), file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).parents[2])
    raise SystemExit(main())
