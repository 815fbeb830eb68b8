"""Gradings as Markdown, for a comment on a pull request."""

import re
from collections.abc import Sequence
from itertools import groupby
from operator import attrgetter
from typing import Any

from evaluation.report import growth
from evaluation.report.failures import Failure, told_failures
from evaluation.report.marks import mark, not_judged
from evaluation.report.printable import first_lines, last_line_first, one_line
from evaluation.report.work import changed_reads, saved

SPECIAL = re.compile(r"[&<>|`*~\[\]\\#@]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])|:(?=//)|(?<=www)\.")
"""Characters that Markdown, HTML or a code host reads as more than text."""
MESSAGE_LINES = 5
REASON_CHARACTERS = 300


def text(reports: list[dict[str, Any]]) -> str:
    """A table of all gradings, then requirements, failures and work of each."""
    lines = ["| candidate | outcome | tests passed | hardening | why |", "|---|---|---|---|---|"]
    lines += [grading(report) for report in reports]
    for report in reports:
        lines += ["", f"### {escaped(report['results']['after']['candidate'])}", "", *requirements(report)]
        if found := told_failures(report):
            lines += ["", *failed_criteria(found)]
        if report["work"]["after"]:
            lines += ["", *work(report)]
        if rows := changed_reads(report["work"]):
            lines += ["", *reads(rows)]
        if found_far := growth.page_500_lines(report):
            lines += ["", *(f"- {escaped(line)}" for line in found_far)]
        if growth.is_measured(report):
            lines += ["", *page_costs(report["growth"])]
    return "\n".join(lines) + "\n"


def grading(report: dict[str, Any]) -> str:
    """The row of one grading."""
    side, held = report["results"]["after"], report.get("hardening")
    tests = f"{side['summary']['passed']} of {side['summary']['total']}"
    hardening = f"{held['held']} of {held['total']}" if held else "-"
    why = [
        one_line(last_line_first(report["error"] or ""), REASON_CHARACTERS),
        *report.get("notes", ()),
        *not_judged(report),
    ]
    cells = [escaped(side["candidate"]), f"**{report['outcome']}**", tests, hardening]
    return f"| {' | '.join([*cells, escaped('; '.join(filter(None, why)))])} |"


def escaped(foreign: str) -> str:
    """Foreign text as one line that is only text, in a table as well."""
    return SPECIAL.sub(lambda found: f"&#{ord(found[0])};", one_line(foreign, REASON_CHARACTERS))


def ours(text: str) -> str:
    """A sentence of ours, which may use Markdown, in a table."""
    return text.replace("|", "\\|")


def requirements(report: dict[str, Any]) -> list[str]:
    """A table with one row for each requirement."""
    lines = ["| | requirement | baseline | candidate |", "|---|---|---|---|"]
    for row in report["requirements"]:
        marks = " | ".join(mark(report, row, side) for side in ("before", "after"))
        marks = marks.replace("fail", "**fail**")
        lines.append(f"| {row['requirement']} | {ours(row.get('title', ''))} | {marks} |")
    return lines


def failed_criteria(found: Sequence[Failure]) -> list[str]:
    """A table with one row for each criterion that failed, and what its first failed test said."""
    lines = ["| criterion | level | what it says | failed | message |", "|---|---|---|---|---|"]
    for name, group in groupby(found, key=attrgetter("criterion")):
        first, *others = group
        message = first_lines(first.message, MESSAGE_LINES)
        told = "<br>".join(f"<code>{escaped(line)}</code>" for line in message)
        more = f" and {len(others)} more" if others else ""
        test = f"<code>{escaped(first.test)}</code>" if first.test else "measured"
        lines.append(f"| {name} | {first.level} | {ours(first.sentence)} | {test}{more} | {told} |")
    return lines


def work(report: dict[str, Any]) -> list[str]:
    """A table of the statements and bytes of single requests."""
    lines = ["| request | statements | KB on the wire | saved by compression |", "|---|---|---|---|"]
    for scenario, old in report["work"]["before"].items():
        new = report["work"]["after"][scenario]
        lines.append(
            f"| {scenario} | {old['statements_server']} -> {new['statements_server']} "
            f"| {old['wire_bytes'] / 1000:.1f} -> {new['wire_bytes'] / 1000:.1f} "
            f"| {saved(old)} -> {saved(new)} |"
        )
    return lines


def reads(rows: Sequence[tuple[str, str, str, str]]) -> list[str]:
    """A table of how Postgres read the tables for single requests, where before and after differ."""
    lines = ["| request | table | read before by | read after by |", "|---|---|---|---|"]
    return [*lines, *(f"| {' | '.join(map(escaped, row))} |" for row in rows)]


def page_costs(found: dict[str, Any]) -> list[str]:
    """A table of the buffers and ms of one page, by depth and size of the catalog."""
    header = growth.header(found)
    table = [header, ["---"] * len(header), *growth.rows(found)]
    notes = [f"- {escaped(note)}" for note in growth.notes(found)]
    return [*(f"| {' | '.join(row)} |" for row in table), "", *notes]
