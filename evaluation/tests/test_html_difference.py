"""`report.html`: the difference between baseline and candidate, line by line."""

import re
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from evaluation import pipeline
from evaluation.candidates.difference import LONGEST, difference, shown_difference
from evaluation.candidates.submissions import Submission
from evaluation.criteria import criteria
from evaluation.pipeline import BASELINE, REFERENCE
from evaluation.report import document
from evaluation.report.html.page import page
from evaluation.serving.workbench import Workshop
from evaluation.tests.pages import (
    Text,
    full_report,
    text_of,
)
from evaluation.tests.test_judge import by_criterion
from evaluation.tests.test_reporting import QUICK


def test_every_line_of_the_difference_is_shown_as_it_is() -> None:
    found = full_report()

    code = "".join(pres(page(found)))

    lines = [line for line in found["difference"].splitlines() if line[:1] in (" ", "+", "-")]
    assert code.splitlines() == [line for line in lines if not line.startswith(("+++ ", "--- "))]


def test_a_hunk_is_told_with_its_requirement_its_criteria_and_its_measured_worth() -> None:
    told = text_of(full_report(), "changes")

    hunks = [part for part in told.split("@@ -") if "# R02: a product comes with all" in part]
    assert len(hunks) == 1
    assert "R02 Fewer than 5 SQL statements per request" in hunks[0]
    assert "statements of a cold page: 847 → 3" in hunks[0]
    assert f"R02.1 {criteria()['R02.1'].sentence}".replace("`", "") in hunks[0]
    assert "R03 Reviews are fetched in bulk" in hunks[0]
    assert "reviews (first page, cold): Seq Scan → Index Scan" in hunks[0]


def test_a_hunk_that_names_no_requirement_says_so() -> None:
    found = full_report() | {"difference": "diff --git a/a.py b/a.py\n@@ -1 +1 @@\n-R02: 1\n+2\n"}

    assert "No comment in this hunk names a requirement." in text_of(found, "changes")


def test_a_report_holds_the_difference_between_baseline_and_candidate(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    measurements = [by_criterion({"R08.3": "failed"}), by_criterion({})]
    shop = SimpleNamespace(folder=tmp_path)
    monkeypatch.setattr(pipeline, "prepared_workshop", lambda *_: nullcontext(shop))
    monkeypatch.setattr(pipeline, "measure", lambda *_: measurements)
    patch = difference(BASELINE, REFERENCE)

    evaluated = pipeline.evaluate(REFERENCE, QUICK, lambda _: None)

    assert document.as_report(evaluated)["difference"] == patch

    monkeypatch.setattr(pipeline, "recalled_or_measured", lambda *_: measurements[1:])
    submission = Submission("attempt", tmp_path, patch.encode())

    graded = pipeline.grade_one(cast(Workshop, shop), submission, measurements[0], QUICK, lambda _: None)

    assert document.as_report(graded)["difference"] == patch


def test_a_long_difference_is_cut_and_one_that_cannot_be_made_is_none(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text("x = 1\n" * (LONGEST // 5))

    shown = shown_difference(BASELINE, tmp_path)

    assert shown is not None
    assert len(shown) < LONGEST + 100
    assert "\\ cut: the patch has" in shown.splitlines()[-1]
    assert shown_difference(BASELINE, tmp_path / "nowhere") is None


def pres(markup: str) -> Iterator[str]:
    """The text of every block of code."""
    for block in re.findall(r'<pre class="code">(.*?)</pre>', markup, re.DOTALL):
        yield Text(f'<section id="x">{block}</section>').sections.get("x", "")
