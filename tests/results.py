"""The outcome of every test, for those who judge."""

import json
from collections import defaultdict
from pathlib import Path

import pytest

from evaluation.criteria import criteria

MESSAGE_CHARACTERS = 8_000


class ResultFile:
    """Writes one JSON line per test: its outcome, how long it took, and what a failure said."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.criteria: dict[str, str | None] = {}
        self.outcomes: dict[str, str] = {}
        self.messages: dict[str, str] = {}
        self.seconds: defaultdict[str, float] = defaultdict(float)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Note which test answers which criterion."""
        for item in session.items:
            self.criteria[item.nodeid] = criterion_of(item)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """The worst of a test's phases is its outcome; a broken set-up is an error."""
        self.seconds[report.nodeid] += report.duration
        outcome: str = report.outcome
        if report.failed and report.when != "call":
            outcome = "error"
        if report.when == "call" or outcome != "passed":
            self.outcomes[report.nodeid] = outcome
            if outcome != "passed":
                self.messages[report.nodeid] = message_of(report)

    def pytest_sessionfinish(self) -> None:
        """Leave the file; a test without an outcome did not run and is an error."""
        lines = [
            {
                "nodeid": nodeid,
                "outcome": self.outcomes.get(nodeid, "error"),
                "requirement": requirement_of(criterion),
                "criterion": criterion,
                "level": criteria()[criterion].level if criterion else "specified",
                "message": self.messages.get(nodeid, ""),
                "duration_seconds": round(self.seconds[nodeid], 3),
            }
            for nodeid, criterion in self.criteria.items()
        ]
        self.path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def criterion_of(item: pytest.Item) -> str | None:
    """The criterion that a test answers."""
    mark = item.get_closest_marker("criterion")
    return mark.args[0] if mark else None


def requirement_of(criterion: str | None) -> str | None:
    """The requirement of a criterion; None for the behaviour that must not change."""
    return None if criterion is None or criterion.startswith("API.") else criterion.partition(".")[0]


def message_of(report: pytest.TestReport) -> str:
    """What a failure said: its message alone where there is one, the whole traceback elsewhere."""
    crash = getattr(report.longrepr, "reprcrash", None)
    text = crash.message if crash else report.longreprtext
    return text.removeprefix("AssertionError: ")[:MESSAGE_CHARACTERS]
