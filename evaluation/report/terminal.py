"""The summaries that are printed to the terminal."""

import statistics
from typing import Any

from evaluation.report import growth

MARKS = {True: "pass", False: "fail", None: "no verdict"}


def summary(report: dict[str, Any]) -> str:
    """Requirements, work and load of both sides."""
    lines = ["", "requirement   before   after"]
    for row in report["requirements"]:
        marks = [MARKS[row[name]["passed"]] for name in ("before", "after")]
        lines.append(f"{row['requirement']:<14}{marks[0]:<9}{marks[1]}")
    lines += ["", *work_lines(report["work"]), "", *load_lines(report["load"])]
    if growth.is_measured(report):
        lines += [*growth_lines(report["growth"]), ""]
    for name in ("before", "after"):
        counts = report["results"][name]["summary"]
        lines.append(f"suite, {name}: {counts['passed']} of {counts['total']} passed")
    lines.append(f"outcome: {report['outcome']}")
    if report["error"]:
        lines.append(f"because: {report['error']}")
    return "\n".join(lines)


def gradings(reports: list[dict[str, Any]]) -> str:
    """One line for each grading, with its reason."""
    width = max(len(report["results"]["after"]["candidate"]) for report in reports) + 2
    lines = ["", f"{'candidate':<{width}}{'outcome':<14}{'tests':<12}{'first page, cold':<18}why"]
    for report in reports:
        side = report["results"]["after"]
        counts = side["summary"]
        cold = report["work"]["after"].get("first_page_cold")
        statements = f"{cold['statements_server']} statements" if cold else "-"
        tests = f"{counts['passed']}/{counts['total']}"
        why = " ".join((report["error"] or "").split())[:200]
        lines.append(f"{side['candidate']:<{width}}{report['outcome']:<14}{tests:<12}{statements:<18}{why}")
    return "\n".join(lines)


def work_lines(work: dict[str, Any]) -> list[str]:
    """Statements, rows and kilobytes on the wire of single requests, before and after."""
    lines = ["request               statements        rows            KB on the wire"]
    for scenario, old in work["before"].items():
        new = work["after"][scenario]
        lines.append(
            f"{scenario:<22}{old['statements_server']:>4} -> {new['statements_server']:<6}"
            f"{old['rows']:>7} -> {new['rows']:<7}"
            f"{old['wire_bytes'] / 1000:>7.1f} -> {new['wire_bytes'] / 1000:.1f}"
        )
    return lines


def load_lines(load: dict[str, Any]) -> list[str]:
    """Outcomes, P95 and throughput of every scenario, with the figures it is compared with."""
    lines = []
    for name in ("before", "after"):
        for scenario, sample in load[name].items():
            answers = ", ".join(f"{count} x {outcome}" for outcome, count in sample["outcomes"].items())
            p95 = median(sample["rounds"], "p95_ms")
            rate, null = median(sample["rounds"], "throughput"), median(sample["null_rounds"], "throughput")
            all_answered = not set(sample["outcomes"]) - {"200", "304"}
            text = f", P95 {p95:.0f} ms, {rate:,.0f}/s" if all_answered and p95 and rate else ""
            text += f" (null server {null:,.0f}/s)" if null else ""
            text += f", nginx {top:,.0f}/s" if (top := median(sample["ceiling_rounds"], "throughput")) else ""
            again = median(sample["null_again_rounds"], "throughput")
            text += f", null server against itself {null / again:.2f}" if null and again else ""
            floor, page = median(sample["floor_rounds"], "p50_ms"), median(sample["rounds"], "p50_ms")
            text += f", {page / floor:.1f} times the one statement's {floor:.1f} ms" if floor and page else ""
            clients = "1 client" if sample["clients"] == 1 else f"{sample['clients']} clients"
            lines.append(f"{name}, {scenario}, {clients}: {answers}{text}")
    return lines


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
