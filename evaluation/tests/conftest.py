"""What the harness's own tests share: a clean environment, and a function that runs the command line."""

import sys
from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from evaluation import cli
from evaluation.environment import cleaned


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Tell what was not tested on this machine: a skipped test is no passed test."""
    reasons = Counter(report.longrepr[2] for report in terminalreporter.stats.get("skipped", ()))
    for reason, tests in reasons.items():
        terminalreporter.write_line(f"not tested here ({tests}): {reason.removeprefix('Skipped: ')}")


@pytest.fixture(autouse=True, scope="session")
def environment() -> Iterator[None]:
    """No other variable than those that are passed on."""
    with cleaned():
        yield


@pytest.fixture
def unmeasured(monkeypatch: pytest.MonkeyPatch) -> None:
    """A command that measures anything ends with exit status 2."""

    def measured(*_: object) -> None:
        raise AssertionError("it was measured")

    monkeypatch.setattr(cli, "evaluate", measured)
    monkeypatch.setattr(cli, "grade", measured)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """A function that runs the command line with its arguments and returns the exit status."""

    def main(*arguments: object) -> int:
        monkeypatch.setattr(sys, "argv", ["evaluation.py", *map(str, arguments)])
        return cli.main()

    return main
