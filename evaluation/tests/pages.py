"""Reports of every kind, one of them hostile, and the text of a page, for the tests of `report.html`."""

from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from random import Random
from typing import Any

import pytest

from evaluation.candidates.difference import difference
from evaluation.errors import CandidateError
from evaluation.measure.histograms import histograms
from evaluation.measure.settings import Settings
from evaluation.pipeline import BASELINE, REFERENCE, unmeasured_candidate
from evaluation.records import CaseResult, PageCost, Signal, StatementPlan
from evaluation.report.html.page import page
from evaluation.tests.test_judge import WORK, by_criterion, load, loaded
from evaluation.tests.test_regrading import loaded_report, older
from evaluation.tests.test_reporting import FULL, NASTY, report, saying

HOSTILE = "</script></style></pre><img src=x onerror=alert(1)> {{ 7 * 7 }} &amp; \" ' ` " + NASTY
CURL = "curl -i -X GET 'http://HOST/products?limit=2' -H 'accept-encoding: gzip'"
needs_histograms = pytest.mark.skipif(
    not histograms({"candidate": [1.0]}), reason="the package for histograms has no wheel for this processor"
)
SCALE = Settings(with_load=False, with_growth=True, seed=42)


def latencies_ms(seed: int, answers: int = 5_000) -> list[float]:
    """Latencies with a long tail."""
    generator = Random(seed)
    return [generator.lognormvariate(3, 0.5) for _ in range(answers)]


def full_report() -> dict[str, Any]:
    """A report of the profile full on the reference, with histograms, a difference and changed plans."""
    kept = histograms({"candidate": latencies_ms(1), "null": latencies_ms(2), "ceiling": latencies_ms(3)})
    hot = load("hot", 30)
    samples = (
        load("stampede", 100),
        replace(hot, latencies=kept, ceiling_rounds=hot.null_rounds, null_again_rounds=hot.null_rounds),
    )
    work = tuple(replace(one, statements_server=847, wire_bytes=449_700) for one in WORK)
    before = replace(
        saying(by_criterion({"R08.3": "failed", "R02.1": "failed"}), f"no tag\n  {CURL}\n  answered 200"),
        work=(replace(work[0], reads={"reviews": ["Seq Scan"]}), *work[1:]),
        load=(replace(load("stampede", 100), outcomes={"500": 25, "timeout": 475}),),
    )
    after = replace(loaded(*samples), work=(replace(WORK[0], reads={"reviews": ["Index Scan"]}), *WORK[1:]))
    return report(after, FULL, before) | {"difference": difference(BASELINE, REFERENCE)}


def scale_report() -> dict[str, Any]:
    """A report of the profile scale."""
    costs = tuple(
        PageCost(products, "", depth, 1, 2, True, 2, 3.0, 20.0, buffers, buffers / 100, 1, 1.0)
        for products, buffers in ((10_000, 62.0), (100_000, 92.0), (1_000_000, 158.0))
        for depth in (0.01, 0.5, 0.99)
    )
    steep = tuple(replace(one, buffers=2.0 * one.products) for one in costs)
    before = replace(by_criterion({"R10.1": "failed"}), growth=steep)
    return report(replace(by_criterion({}), growth=costs), SCALE, before)


def unmeasured_report() -> dict[str, Any]:
    """A report on a candidate that did not start."""
    before = by_criterion({"R08.3": "failed"})
    return report(unmeasured_candidate("broken", before, CandidateError("it did not start")), before=before)


REPORTS: dict[str, Callable[[], dict[str, Any]]] = {
    "full": full_report,
    "quick": lambda: report(by_criterion({"R12.4": "failed"})),
    "scale": scale_report,
    "unmeasured": unmeasured_report,
    "older": lambda: older(loaded_report({})),
}


class Text(HTMLParser):
    """The text of a page, by the section in which it stands, and every tag with its attributes."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.sections: dict[str, str] = {}
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.place = ""
        self.feed(markup)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep a tag; a section begins with its place."""
        self.tags.append((tag, dict(attrs)))
        if tag == "section":
            self.place = dict(attrs)["id"] or ""
        if tag not in ("meta", "link", "br"):
            self.open.append(tag)
        if tag in ("td", "th", "dd"):
            self.handle_data(" ")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep a tag that has no end."""
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        """Every end belongs to the newest beginning."""
        assert self.open.pop() == tag, f"</{tag}> in {self.place}"

    def handle_data(self, data: str) -> None:
        """Keep text."""
        self.sections[self.place] = self.sections.get(self.place, "") + data


def text_of(found: dict[str, Any], place: str) -> str:
    """The text of one section of a page, with single spaces."""
    return " ".join(Text(page(found)).sections[place].split())


def hostile_report(text: str) -> dict[str, Any]:
    """A report in which everything that a candidate can write is this text."""
    odd_plan = StatementPlan(text, 1, 1, [text, text])
    after = replace(
        saying(by_criterion({"R08.3": "failed", "API.2": "error"}), text),
        candidate=text,
        signals=(Signal(text, text),),
        load=(replace(load("stampede", 100), outcomes={text: 3}, pool_errors={text: 3}), load("hot", 30)),
        work=(replace(WORK[0], reads={text: [text]}, plans=[odd_plan]), *WORK[1:]),
    )
    odd = CaseResult(text, "failed", "R08", "R08.4", message=text)
    after = replace(after, suite=replace(after.suite, tests=(*after.suite.tests, odd)))
    found = report(after, FULL)
    patch = (
        f"diff --git a/{text} b/{text}\n{text}\n@@ -1,2 +1,2 @@ {text}\n-{text}\n+# R02: {text}\n {text}\n"
    )
    found["environment"]["python"] = text
    return found | {"error": text, "notes": [text], "difference": patch}
