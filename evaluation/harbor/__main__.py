"""Writes one task folder for each instance: `python -m evaluation.harbor FOLDER [--instances FILE...]`."""

import sys
from pathlib import Path

from evaluation.errors import RESOLVED, EvaluationError
from evaluation.harbor.folders import Wishes, write_task
from evaluation.harbor.tasks import WHOLE, read_tasks
from evaluation.parser import Parser


def main() -> int:
    """Write the folders and print their paths; return the exit status."""
    options = Parser(
        prog="python -m evaluation.harbor",
        description="Write a Harbor task folder for each instance: FOLDER/<instance id in small letters>.",
    )
    options.add_argument("folder", type=Path, metavar="FOLDER", help="where the task folders go")
    options.add_argument(
        "--instances",
        nargs="+",
        type=Path,
        default=[WHOLE],
        metavar="FILE",
        help="instances in the list form (default: instances/HOFAZ9.list.json)",
    )
    options.add_argument(
        "--no-network",
        action="store_true",
        help="the verifier's container reaches nothing outside; Harbor builds an image of its own for that",
    )
    options.add_argument(
        "--images",
        metavar="PREFIX",
        help="name images that are ready, PREFIX<instance>-solver:<version> and "
        "PREFIX<instance>-verifier:<version>, for programs that build none",
    )
    chosen = options.parse_args()
    wishes = Wishes(not chosen.no_network, chosen.images)
    try:
        for task in read_tasks(chosen.instances):
            print(write_task(task, chosen.folder, wishes))
    except EvaluationError as error:
        print(f"usage: {error}", file=sys.stderr)
        return error.status
    return RESOLVED


if __name__ == "__main__":
    raise SystemExit(main())
