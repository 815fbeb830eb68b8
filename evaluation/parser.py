"""The parser of every command line: argparse with our exit status for a usage error."""

import argparse
import sys
from typing import NoReturn

from evaluation.errors import USAGE


class Parser(argparse.ArgumentParser):
    """argparse, whose own status 2 would say that there is no verdict."""

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(USAGE, f"{self.prog}: error: {message}\n")
