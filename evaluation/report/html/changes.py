"""The difference between baseline and candidate: each hunk with the requirements that its comments name."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup, escape
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer, TextLexer

from evaluation.report.html.extent import Extent
from evaluation.report.html.worth import worth
from evaluation.report.printable import printable

FILE = re.compile(r"^diff --git a/(.+) b/(.+)$")
HUNK = re.compile(r"^@@ .* @@")
NAMED = re.compile(r"\b(R(?:0[1-9]|1[0-6])): ")
STYLES = {"light": "xcode", "dark": "github-dark"}
KINDS = {"+": "added", "-": "removed", "\\": "remark"}


@dataclass(frozen=True, slots=True)
class Purpose:
    """A requirement that a hunk answers: its title, its criteria, and what was measured for it."""

    id: str
    title: str
    criteria: list[str]
    worth: list[str]


@dataclass(frozen=True, slots=True)
class Hunk:
    """One stretch of a file that has changed."""

    place: str
    purposes: list[Purpose]
    code: Markup


@dataclass(frozen=True, slots=True)
class File:
    """A file with its hunks; `remarks` are what git says of it beside them."""

    name: str
    added: int
    removed: int
    remarks: list[str]
    hunks: list[Hunk]

    @property
    def requirements(self) -> list[str]:
        """The requirements that its hunks name, in order."""
        return sorted({one.id for hunk in self.hunks for one in hunk.purposes})


@dataclass(frozen=True, slots=True)
class Changes:
    """All files that differ; `is_known` is false where the report holds no difference."""

    is_known: bool
    files: list[File]
    left_out: str


def changes(report: dict[str, Any], extent: Extent) -> Changes:
    """The difference that a report holds, as much of it as a page shows."""
    text = report.get("difference")
    if text is None:
        return Changes(False, [], "")
    lines = printable(text[: extent.difference]).split("\n")
    files = [file(report, part) for part in parts(lines, FILE) if FILE.match(part[0])]
    cut = len(text) - extent.difference
    left_out = (
        f"{cut:,} of {len(text):,} characters are left out here; report.json has them." if cut > 0 else ""
    )
    return Changes(True, files, left_out)


def parts(lines: Sequence[str], heading: re.Pattern[str]) -> Iterator[list[str]]:
    """The lines in parts, each of which begins with a heading, but perhaps the first."""
    part: list[str] = []
    for line in lines:
        if heading.match(line) and part:
            yield part
            part = []
        part.append(line)
    if part:
        yield part


def file(report: dict[str, Any], lines: list[str]) -> File:
    """One file of a difference."""
    head, *hunks = parts(lines, HUNK)
    if HUNK.match(head[0]):
        head, hunks = [], [head, *hunks]
    signs = [line[:1] for hunk in hunks for line in hunk[1:]]
    found = FILE.match(lines[0])
    name = found[2] if found else ""
    return File(
        name,
        signs.count("+"),
        signs.count("-"),
        [line for line in head[1:] if not line.startswith(("index ", "--- ", "+++ ")) and line],
        [hunk_of(report, name, hunk) for hunk in hunks],
    )


def hunk_of(report: dict[str, Any], name: str, lines: list[str]) -> Hunk:
    """One hunk with its purposes."""
    place, *body = filter(None, lines)
    named = dict.fromkeys(found for line in body if line.startswith("+") for found in NAMED.findall(line))
    return Hunk(place, [purpose(report, one) for one in named], coloured(name, body))


def purpose(report: dict[str, Any], requirement: str) -> Purpose:
    """A requirement, with the criteria whose verdict differs between the sides, or all that decide."""
    titles = {row["requirement"]: row.get("title", "") for row in report["requirements"]}
    rows = [row for row in report.get("criteria", ()) if row["requirement"] == requirement]
    won = [row for row in rows if row["after"]["passed"] is True and row["before"]["passed"] is not True]
    return Purpose(
        requirement,
        titles.get(requirement, ""),
        [f"{row['criterion']} {row['sentence']}" for row in won],
        worth(report, requirement),
    )


def coloured(name: str, body: list[str]) -> Markup:
    """The lines of a hunk, each marked by its sign and coloured as the code of its own side."""
    lexer = PythonLexer if name.endswith(".py") else TextLexer
    sides = {
        sign: iter(highlighted(lexer, [line[1:] for line in body if line[:1] in keep]))
        for sign, keep in KEEP.items()
    }
    rows = []
    for line in body:
        sign = line[:1] or " "
        if sign not in KINDS and sign != " ":
            continue
        old = next(sides["-"]) if sign in KEEP["-"] else ""
        new = next(sides["+"]) if sign in KEEP["+"] else ""
        code = str(escape(line[1:])) if sign == "\\" else new or old
        look = f"{KINDS.get(sign, 'same')}{' named' if sign == '+' and NAMED.search(line) else ''}"
        rows.append(f'<span class="{look}">{escape(sign)}{code}\n</span>')
    return Markup("".join(rows))


KEEP = {"-": (" ", "-"), "+": (" ", "+")}
"""The signs of the lines that either side consists of."""


def highlighted(lexer: Any, lines: list[str]) -> list[str]:
    """Lines of code as HTML, one for one."""
    text: str = highlight(
        "\n".join(lines) + "\n", lexer(stripnl=False, ensurenl=True), HtmlFormatter(nowrap=True)
    )
    return text.split("\n")


def style_of(theme: str) -> str:
    """The style sheet of the code in one theme."""
    formatter: Any = HtmlFormatter(style=STYLES[theme])
    return str(formatter.get_style_defs(".code"))
