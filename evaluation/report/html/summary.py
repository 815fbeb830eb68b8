"""The first screen: the outcome, three figures, and every requirement before and after."""

from dataclasses import dataclass
from typing import Any

from evaluation.judge import cpu, timings
from evaluation.judge.timed import WARM
from evaluation.records import CpuCost
from evaluation.report.marks import mark, not_judged
from evaluation.report.printable import last_line_first
from evaluation.restored import load_sample_from

PAGE = "first_page_cold"


@dataclass(frozen=True, slots=True)
class Headline:
    """One figure before and after; `told` says what it is."""

    told: str
    before: str
    after: str
    unit: str


@dataclass(frozen=True, slots=True)
class Row:
    """A requirement with its verdicts."""

    id: str
    title: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Summary:
    """What the first screen tells."""

    candidate: str
    outcome: str
    reason: str
    notes: list[str]
    facts: list[str]
    headlines: list[Headline]
    requirements: list[Row]


def summary(report: dict[str, Any]) -> Summary:
    """The first screen of a report."""
    rows = [
        Row(row["requirement"], row.get("title", ""), mark(report, row, "before"), mark(report, row, "after"))
        for row in report["requirements"]
    ]
    return Summary(
        report["results"]["after"]["candidate"],
        report["outcome"],
        last_line_first(report["error"] or ""),
        [*report.get("notes", ()), *not_judged(report)],
        facts(report),
        [statements(report), kilobytes(report), answers_in_time(report)],
        rows,
    )


def facts(report: dict[str, Any]) -> list[str]:
    """How many tests passed, how much of the hardening holds, and which profile measured it."""
    counts, held = report["results"]["after"]["summary"], report.get("hardening")
    found = [f"{counts['passed']} of {counts['total']} tests passed"]
    if held:
        found.append(f"hardening: {held['held']} of {held['total']}")
    if "profile" in report:
        found.append(f"profile {report['profile']}")
    return [*found, f"{report['duration_seconds']:,.0f} s"]


def statements(report: dict[str, Any]) -> Headline:
    """The SQL statements of a cold page."""
    values = figures(report, "statements_server", lambda count: f"{count:,}")
    return Headline("SQL statements of a cold page of 20", *values, "")


def kilobytes(report: dict[str, Any]) -> Headline:
    """The bytes of the same page on the wire."""
    values = figures(report, "wire_bytes", lambda count: f"{count / 1000:,.1f}")
    return Headline("on the wire for that page", *values, "KB")


def figures(report: dict[str, Any], name: str, words: Any) -> tuple[str, str]:
    """A figure of the cold page, before and after."""
    samples = [report["work"][side].get(PAGE) for side in ("before", "after")]
    before, after = ("not measured" if one is None else words(one[name]) for one in samples)
    return before, after


def answers_in_time(report: dict[str, Any]) -> Headline:
    """P95 of 500 clients on one warm page; where nobody was timed, the CPU time of a warm answer."""
    sides = ("before", "after")
    if not any(report["load"].values()):
        before, after = (warm_answer(report.get("cpu", {}).get(side, {})) for side in sides)
        return Headline(
            f"the CPU time of a null server, for a warm page (limit: {cpu.LARGEST_RATIO:.0f} x)",
            before,
            after,
            "",
        )
    before, after = (warm_p95(report["load"][side]) for side in sides)
    goal = f"limit: {timings.P95_GOAL_MS:.0f} ms"
    return Headline(f"P95, 500 clients on a warm page ({goal})", before, after, "ms")


def warm_answer(costs: dict[str, Any]) -> str:
    """How many times as much as the null server's a warm answer costs."""
    ratios = [CpuCost(**cost).ratio for cost in costs.values()]
    [found] = ratios or [None]
    return "no answer" if found is None else f"{found:,.1f} x"


def warm_p95(load: dict[str, Any]) -> str:
    """The P95 of a side; a load whose clients were not all answered has none."""
    if WARM not in load:
        return "no answer" if load else "not timed"
    sample = load_sample_from(load[WARM])
    p95_ms = timings.p95_ms(sample.rounds) if timings.all_answered(sample) else None
    return "no answer" if p95_ms is None else f"{p95_ms:,.0f}"
