"""Gradings as Markdown, for a comment on a pull request."""

from typing import Any

from evaluation.report import growth

MARKS = {True: "pass", False: "**fail**", None: "no verdict"}


def text(reports: list[dict[str, Any]]) -> str:
    """A table of all gradings, then requirements and work of each."""
    lines = ["| candidate | outcome | tests passed | why |", "|---|---|---|---|"]
    for report in reports:
        side = report["results"]["after"]
        counts = side["summary"]
        why = (report["error"] or "").replace("|", "\\|").replace("\n", " ")[:300]
        tests = f"{counts['passed']} of {counts['total']}"
        lines.append(f"| {side['candidate']} | **{report['outcome']}** | {tests} | {why} |")
    for report in reports:
        lines += ["", f"### {report['results']['after']['candidate']}", "", *requirements(report)]
        if report["work"]["after"]:
            lines += ["", *work(report)]
        if growth.is_measured(report):
            lines += ["", *page_costs(report["growth"])]
    return "\n".join(lines) + "\n"


def requirements(report: dict[str, Any]) -> list[str]:
    """A table with one row for each requirement."""
    lines = ["| requirement | baseline | candidate |", "|---|---|---|"]
    for row in report["requirements"]:
        before, after = MARKS[row["before"]["passed"]], MARKS[row["after"]["passed"]]
        lines.append(f"| {row['requirement']} | {before} | {after} |")
    return lines


def work(report: dict[str, Any]) -> list[str]:
    """A table of the statements and bytes of single requests."""
    lines = ["| request | statements | KB on the wire |", "|---|---|---|"]
    for scenario, old in report["work"]["before"].items():
        new = report["work"]["after"][scenario]
        lines.append(
            f"| {scenario} | {old['statements_server']} -> {new['statements_server']} "
            f"| {old['wire_bytes'] / 1000:.1f} -> {new['wire_bytes'] / 1000:.1f} |"
        )
    return lines


def page_costs(found: dict[str, Any]) -> list[str]:
    """A table of the buffers and ms of one page, by depth and size of the catalog."""
    header = growth.header(found)
    table = [header, ["---"] * len(header), *growth.rows(found)]
    notes = [f"- {note}" for note in growth.notes(found)]
    return [*(f"| {' | '.join(row)} |" for row in table), "", *notes]
