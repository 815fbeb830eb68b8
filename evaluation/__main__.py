"""`python -m evaluation`."""

from evaluation.cli import main
from evaluation.machine.environment import in_utf8

in_utf8()
raise SystemExit(main())
