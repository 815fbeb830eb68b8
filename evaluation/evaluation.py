"""The entry point: `python evaluation/evaluation.py`, the same as `python -m evaluation`."""

import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).parents[1])

if __name__ == "__main__":
    from evaluation.cli import main
    from evaluation.machine.environment import in_utf8

    in_utf8()
    raise SystemExit(main())
