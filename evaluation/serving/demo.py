"""Serves one catalog with the standard dataset until Ctrl-C, so that its /docs can be tried by hand."""

import os
import sys
from pathlib import Path

from evaluation.candidates.folder import checked_directory
from evaluation.database.dataset import SIZES
from evaluation.errors import NO_VERDICT, EvaluationError
from evaluation.parser import Parser
from evaluation.services.services import MODES
from evaluation.serving.workbench import open_workbench


def main() -> int:
    """Serve the catalog that the command line names; print errors in one line."""
    parser = Parser(prog="demo", description=__doc__)
    parser.add_argument("directory", type=Path, metavar="DIR")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)")
    parser.add_argument(
        "--port", type=int, default=8000, help="port to listen on, 0 for a free one (default: 8000)"
    )
    mode = os.environ.get("HOFAZ9_SERVICES", "embedded")
    parser.add_argument(
        "--services",
        choices=MODES,
        default=mode,
        help=f"where Postgres and Redis come from (default: {mode})",
    )
    options = parser.parse_args()
    try:
        serve(checked_directory(options.directory), options.services, (options.host, options.port))
    except KeyboardInterrupt:
        print("\nstopped", flush=True)
    except EvaluationError as error:
        print(error, file=sys.stderr)
        return error.status
    except OSError as error:
        print(error, file=sys.stderr)
        return NO_VERDICT
    return 0


def serve(directory: Path, services: str, address: tuple[str, int]) -> None:
    """Start the services and the catalog, and wait until it ends."""
    print(f"{directory.name}: starting, seeding {SIZES['standard']:,} products", flush=True)
    with (
        open_workbench(services) as bench,
        bench.stage(SIZES["standard"]) as stage,
        stage.serving(directory, address=address) as server,
    ):
        print(
            f"{directory.name}: listening on {address[0]}:{server.port}, see /docs (Ctrl-C stops it)",
            flush=True,
        )
        server.process.wait()


if __name__ == "__main__":
    raise SystemExit(main())
