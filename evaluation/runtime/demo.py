"""Serves one catalog with the standard dataset until Ctrl-C, to click through its /docs."""

import sys
from pathlib import Path

from evaluation.runtime.dataset import SIZES
from evaluation.runtime.workbench import checked_directory, open_workbench


def main() -> None:
    """Stand everything up and wait."""
    directory = checked_directory(Path(sys.argv[1]))
    print("starting Postgres and Redis, seeding 100,000 products", flush=True)
    with (
        open_workbench() as bench,
        bench.stage(SIZES["standard"]) as stage,
        stage.serving(directory) as server,
    ):
        print(f"{directory.name}: {server.url}/docs (Ctrl-C stops it)", flush=True)
        try:
            server.process.wait()
        except KeyboardInterrupt:
            print("\nstopping", flush=True)


if __name__ == "__main__":
    main()
