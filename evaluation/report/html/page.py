"""The page as a whole: every section of a report, in one file that needs nothing else."""

from pathlib import Path
from typing import Any

from markupsafe import Markup

from evaluation.report.html.changes import changes, style_of
from evaluation.report.html.criteria import groups
from evaluation.report.html.extent import EXTENTS, LIMIT_BYTES, Extent
from evaluation.report.html.failed import failed
from evaluation.report.html.growth import growth
from evaluation.report.html.latency import latency
from evaluation.report.html.machine import machine
from evaluation.report.html.plans import plans
from evaluation.report.html.summary import summary
from evaluation.report.html.templating import rendered
from evaluation.report.html.work import work

STYLE = Path(__file__).with_name("templates") / "style.css"
SECTIONS = {
    "summary": "Outcome",
    "work": "Statements and bytes",
    "latency": "Latency",
    "growth": "Growth",
    "changes": "Changes",
    "failed": "What failed",
    "plans": "Plans",
    "criteria": "Criteria",
    "machine": "Machine and noise",
}
"""The sections by the name of their place in the page."""


class TooLargeError(Exception):
    """A report does not fit into a page, however little of it is shown."""


def page(report: dict[str, Any], remark: str = "") -> str:
    """A report as HTML, at most LIMIT_BYTES long; `remark` is told beside the outcome.

    TooLargeError when it does not fit.
    """
    for extent in EXTENTS:
        text = page_of(report, extent, remark)
        if len(text.encode()) <= LIMIT_BYTES:
            return text
    raise TooLargeError(f"the page would be larger than {LIMIT_BYTES:,} bytes")


def page_of(report: dict[str, Any], extent: Extent, remark: str) -> str:
    """A report as HTML, of which so much is shown."""
    return rendered(
        "page.html",
        extent,
        report=report,
        remark=remark,
        sections=SECTIONS,
        style=Markup(STYLE.read_text(encoding="utf-8")),
        code={theme: Markup(style_of(theme)) for theme in ("light", "dark")},
        summary=summary(report),
        work=work(report),
        latency=latency(report),
        growth=growth(report),
        changes=changes(report, extent),
        failed={side: failed(report, side, extent) for side in ("after", "before")},
        plans=plans(report, extent),
        groups=groups(report),
        machine=machine(report, extent),
    )
