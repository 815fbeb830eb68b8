"""The report on a submission that no worker could grade: nothing was measured, on either side."""

from datetime import UTC, datetime
from typing import Any

from evaluation.errors import InfrastructureError
from evaluation.measure.settings import Settings
from evaluation.pipeline import BASELINE, judged, unmeasured_candidate
from evaluation.records import CaseResult, Measured, Outcome, SuiteRun
from evaluation.report import committed
from evaluation.report.document import as_report


def ungraded(name: str, reason: str, settings: Settings) -> dict[str, Any]:
    """A report without a verdict."""
    error = InfrastructureError(reason)
    before = unmeasured_candidate(BASELINE.name, nothing(), error)
    after = unmeasured_candidate(name, before, error)
    return as_report(judged(before, after, settings, datetime.now(UTC), Outcome("no_verdict", reason)))


def nothing() -> Measured:
    """A candidate with all tests that the instance lists, none of which was run."""
    lists = committed.instance()
    names = sorted({test for name in committed.LISTS for test in lists[name]})
    return Measured("", SuiteRun(-1, tuple(CaseResult(one, "error", None) for one in names), 0.0), (), ())
