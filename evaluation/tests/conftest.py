"""What the harness's own tests share: a clean environment, and a function that runs the command line."""

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from evaluation import cli
from evaluation.candidates.folder import copied
from evaluation.database.dataset import SIZES
from evaluation.machine.environment import cleaned
from evaluation.serving.workbench import Stage, Workbench, open_workbench

ROOT = Path(__file__).parents[2]


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


@pytest.fixture(scope="module")
def bench() -> Iterator[Workbench]:
    """Postgres and Redis, shared by the tests of a module."""
    with open_workbench() as bench:
        yield bench


@pytest.fixture(scope="module")
def stage(bench: Workbench) -> Iterator[Stage]:
    """A stage with 2 000 products, shared by the tests of a module."""
    with bench.stage(SIZES["small"]) as stage:
        yield stage


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


@pytest.fixture
def variant(tmp_path: Path) -> Callable[..., Path]:
    """A function that makes the reference with other text in its files, given as (file, old, new)."""

    def made(*changes: tuple[str, str, str]) -> Path:
        folder = copied(ROOT / "repository_after", tmp_path / "variant")
        for name, old, new in changes:
            text = (folder / name).read_text()
            assert old in text, f"{name} has no {old!r}"
            (folder / name).write_text(text.replace(old, new))
        return folder

    return made
