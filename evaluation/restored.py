"""Restores measurements from JSON: from the store, and from reports, older ones as well."""

from typing import Any

from evaluation.records import (
    Broken,
    CaseResult,
    CountCost,
    CpuCost,
    LoadSample,
    Measured,
    PageCost,
    RealMinute,
    Round,
    Signal,
    StatementPlan,
    SuiteRun,
    WorkSample,
)


def measured_from(saved: dict[str, Any]) -> Measured:
    """Restore a Measured from JSON that was written from `dataclasses.asdict`."""
    suite = saved["suite"]
    return Measured(
        saved["candidate"],
        SuiteRun(
            suite["exit_code"],
            tuple(CaseResult(**one) for one in suite["tests"]),
            suite["duration_s"],
            suite.get("seed"),
            suite.get("stdout", ""),
            suite.get("stderr", ""),
        ),
        tuple(map(work_sample_from, saved["work"])),
        tuple(load_sample_from(one) for one in saved["load"]),
        tuple(Signal(**one) for one in saved["signals"]),
        saved["error"],
        saved.get("content", ""),
        tuple(PageCost(**one) for one in saved.get("growth", ())),
        tuple(CpuCost(**one) for one in saved.get("cpu", ())),
        tuple(Broken(**one) for one in saved.get("broken", ())),
        real_minute_from(saved.get("real_minute")),
        tuple(CountCost(**one) for one in saved.get("counts", ())),
        page_cost_from(saved.get("page_500")),
    )


def work_sample_from(saved: dict[str, Any]) -> WorkSample:
    """Restore a WorkSample in the same way; there are no plans in older reports."""
    return WorkSample(**{**saved, "plans": [StatementPlan(**one) for one in saved.get("plans", ())]})


def real_minute_from(saved: dict[str, Any] | None) -> RealMinute | None:
    """Restore a RealMinute in the same way; None where there was none, as in older reports."""
    if saved is None:
        return None
    findings = tuple(Broken(**one) for one in saved["findings"])
    return RealMinute(saved["seconds"], saved["requests"], findings)


def page_cost_from(saved: dict[str, Any] | None) -> PageCost | None:
    """Restore a PageCost in the same way; None where there was none."""
    return None if saved is None else PageCost(**saved)


def load_sample_from(saved: dict[str, Any]) -> LoadSample:
    """Restore a LoadSample in the same way."""
    names = ("rounds", "null_rounds", "null_again_rounds", "ceiling_rounds", "floor_rounds")
    rounds = {name: tuple(Round(**one) for one in saved.get(name, ())) for name in names}
    return LoadSample(**{**saved, **rounds})
