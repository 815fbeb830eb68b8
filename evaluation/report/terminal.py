"""The summaries that are printed to the terminal."""

import statistics
from collections.abc import Sequence
from typing import Any

from evaluation.judge import cpu, timings
from evaluation.records import CpuCost
from evaluation.report import growth
from evaluation.report.failures import Failure, specified_failures
from evaluation.report.marks import mark, not_judged
from evaluation.report.printable import first_lines, last_line_first, one_line, printable
from evaluation.report.work import changed_reads, saved
from evaluation.restored import load_sample_from

FAILURE_LINES = 12
"""At most this many lines about failures are printed; the report has all of them."""
MESSAGE_LINES, FEW = 3, 2
"""So many lines of a message are printed where only a few tests failed; one line where more did."""


def summary(report: dict[str, Any]) -> str:
    """Requirements, work and load of both sides, what failed, and the outcome in the last lines."""
    lines = ["", *requirement_lines(report), "", *work_lines(report["work"]), ""]
    lines += read_lines(report["work"])
    lines += [*cpu_lines(report.get("cpu", {})), *load_lines(report["load"])]
    lines += growth.page_500_lines(report)
    if growth.is_measured(report):
        lines += [*growth_lines(report["growth"]), ""]
    for name in ("before", "after"):
        counts = report["results"][name]["summary"]
        lines.append(f"suite, {name}: {counts['passed']} of {counts['total']} passed")
    if found := specified_failures(report):
        lines += ["", "failed:", *failure_lines(found), ""]
    if report["error"]:
        first, *more = last_line_first(report["error"]).splitlines()
        lines += [f"because: {first}", *(f"    {line}" for line in more)]
    lines += report.get("notes", [])
    return printable("\n".join([*lines, *last_lines(report)]))


def gradings(reports: list[dict[str, Any]]) -> str:
    """What failed in each grading, then one line for each, with its reason."""
    lines = []
    for report in reports:
        if found := specified_failures(report):
            lines += ["", f"{name_of(report)} failed:", *failure_lines(found)]
    width = max(len(name_of(report)) for report in reports) + 2
    header = f"{'candidate':<{width}}{'outcome':<14}{'tests':<12}{'hardening':<12}{'first page, cold':<18}why"
    lines += ["", header, *(grading_line(report, width) for report in reports)]
    return printable("\n".join(lines + last_lines(reports[0]) if len(reports) == 1 else lines))


def grading_line(report: dict[str, Any], width: int) -> str:
    """A grading in one line."""
    counts = report["results"]["after"]["summary"]
    cold = report["work"]["after"].get("first_page_cold")
    statements = f"{cold['statements_server']} statements" if cold else "-"
    held = report.get("hardening")
    hardening = f"{held['held']}/{held['total']}" if held else "-"
    tests = f"{counts['passed']}/{counts['total']}"
    reason = one_line(last_line_first(report["error"] or ""), 200)
    why = "; ".join(filter(None, [reason, *notes(report), *not_judged(report)]))
    return f"{name_of(report):<{width}}{report['outcome']:<14}{tests:<12}{hardening:<12}{statements:<18}{why}"


def notes(report: dict[str, Any]) -> list[str]:
    """The notes of a report, each as one line."""
    return [one_line(note) for note in report.get("notes", ())]


def name_of(report: dict[str, Any]) -> str:
    """The name of the candidate."""
    return one_line(report["results"]["after"]["candidate"])


def requirement_lines(report: dict[str, Any]) -> list[str]:
    """One line for each requirement: both verdicts and the title."""
    lines = [f"{'':<6}{'before':<18}{'after':<18}requirement"]
    for row in report["requirements"]:
        marks = [mark(report, row, side) for side in ("before", "after")]
        lines.append(f"{row['requirement']:<6}{marks[0]:<18}{marks[1]:<18}{row.get('title', '')}".rstrip())
    return lines


def failure_lines(found: Sequence[Failure]) -> list[str]:
    """Failures with the first lines of their messages, as many as fit; then how many more there are."""
    lines: list[str] = []
    told, wanted = 0, MESSAGE_LINES if len(found) <= FEW else 1
    for one, last in zip(found, [None, *found], strict=False):
        is_same = last is not None and last.criterion == one.criterion
        lines_of_one = failure_block(one, wanted, with_sentence=not is_same)
        if len(lines) + len(lines_of_one) > FAILURE_LINES:
            break
        lines += lines_of_one
        told += 1
    more = len(found) - told
    return [*lines, f"and {more} more: evaluation.py explain REPORT TEST"] if more else lines


def failure_block(failure: Failure, message_lines: int, *, with_sentence: bool) -> list[str]:
    """One failure: its criterion, unless that was just told, its test, and the first lines of its message."""
    heading = [one_line(f"{failure.criterion}  {failure.sentence}")] if with_sentence else []
    test = [f"  {one_line(failure.test)}"] if failure.test else []
    return [*heading, *test, *(f"    {line}" for line in first_lines(failure.message, message_lines))]


def last_lines(report: dict[str, Any]) -> list[str]:
    """The outcome, and how much of the hardening holds; older reports know nothing of profiles."""
    if "profile" not in report:
        return [f"outcome: {report['outcome']}"]
    notes = "; ".join(not_judged(report))
    profile = f"profile {report['profile']}{': ' if notes else ''}{notes}"
    lines = [f"outcome: {report['outcome']} ({profile})"]
    held = report["hardening"]
    missing = f" (missing: {', '.join(held['missing'])})" if held["missing"] else ""
    return [*lines, f"hardening: {held['held']} of {held['total']}{missing}"]


def work_lines(work: dict[str, Any]) -> list[str]:
    """Statements, rows, kilobytes on the wire and the share that compression saves, before and after."""
    lines = ["request               statements        rows            KB on the wire    saved by gzip"]
    for scenario, old in work["before"].items():
        new = work["after"][scenario]
        lines.append(
            f"{scenario:<22}{old['statements_server']:>4} -> {new['statements_server']:<6}"
            f"{old['rows']:>7} -> {new['rows']:<7}"
            f"{old['wire_bytes'] / 1000:>7.1f} -> {new['wire_bytes'] / 1000:<7.1f}"
            f"{saved(old):>7} -> {saved(new)}"
        )
    return lines


def read_lines(work: dict[str, Any]) -> list[str]:
    """How Postgres read the tables for single requests, where before and after differ."""
    if not (rows := changed_reads(work)):
        return []
    lines = [f"{request:<22}{table:<14}{before} -> {after}" for request, table, before, after in rows]
    return [f"{'request':<22}{'table':<14}read by, where that changed", *lines, ""]


def cpu_lines(costs: dict[str, Any]) -> list[str]:
    """The CPU time of a warm answer on both sides; nothing in an older report."""
    return [
        f"{name}, {scenario}: {cpu.told(CpuCost(**cost))}"
        for name, side in costs.items()
        for scenario, cost in side.items()
    ]


def load_lines(load: dict[str, Any]) -> list[str]:
    """Outcomes, P95 and throughput of every scenario, with the figures it is compared with."""
    lines = []
    for name in ("before", "after"):
        for scenario, sample in load[name].items():
            answers = ", ".join(f"{count} x {outcome}" for outcome, count in sample["outcomes"].items())
            p95 = median(sample["rounds"], "p95_ms")
            rate, null = median(sample["rounds"], "throughput"), median(sample["null_rounds"], "throughput")
            all_answered = not set(sample["outcomes"]) - {"200", "304"}
            over = timings.rounds_over_limit(load_sample_from(sample).rounds)
            text = f", P95 {p95:.0f} ms ({over}), {rate:,.0f}/s" if all_answered and p95 and rate else ""
            text += f" (null server {null:,.0f}/s)" if null else ""
            text += f", nginx {top:,.0f}/s" if (top := median(sample["ceiling_rounds"], "throughput")) else ""
            again = median(sample["null_again_rounds"], "throughput")
            text += f", null server against itself {null / again:.2f}" if null and again else ""
            text += beside_statement(sample)
            clients = "1 client" if sample["clients"] == 1 else f"{sample['clients']} clients"
            lines.append(f"{name}, {scenario}, {clients}: {answers}{text}")
            errors = sample.get("pool_errors", {}).items()
            lines += [f"{name}, {scenario}, its pool: {count} x {one_line(told)}" for told, count in errors]
    return lines


def beside_statement(sample: dict[str, Any]) -> str:
    """A scenario beside the one statement that makes its answers: of one client the time, else the rate."""
    figure = "p50_ms" if sample["clients"] == 1 else "throughput"
    seen, floor = median(sample["rounds"], figure), median(sample["floor_rounds"], figure)
    if not seen or not floor:
        return ""
    if sample["clients"] == 1:
        return f", {seen / floor:.1f} times the one statement's {floor:.1f} ms"
    return f", {seen / floor:.2f} of the one statement's {floor:,.0f}/s"


def growth_lines(found: dict[str, Any]) -> list[str]:
    """Buffers and ms of one page, by depth and size of the catalog."""
    table = [growth.header(found), *growth.rows(found)]
    widths = [max(len(row[column]) for row in table) + 2 for column in range(len(table[0]))]
    rows = ["".join(map(str.ljust, row, widths)).rstrip() for row in table]
    return ["one page of 20, in buffers and ms", *rows, *growth.notes(found)]


def median(rounds: list[dict[str, Any]], name: str) -> float | None:
    """The median of one figure over the rounds; None when it is missing in a round."""
    values = [one[name] for one in rounds]
    return statistics.median(values) if values and None not in values else None
