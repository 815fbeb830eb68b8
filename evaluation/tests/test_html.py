"""`report.html`: what a page tells of each kind of report, and that what others wrote is only text."""

import json
import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from evaluation.candidates.difference import difference
from evaluation.cli import regrade_main
from evaluation.criteria import criteria
from evaluation.errors import NO_VERDICT, RESOLVED
from evaluation.measure.histograms import histograms
from evaluation.pipeline import BASELINE, REFERENCE, judged
from evaluation.records import StatementPlan
from evaluation.report import destination, document
from evaluation.report.destination import Destination
from evaluation.report.html import beside
from evaluation.report.html.extent import LIMIT_BYTES, clipped
from evaluation.report.html.page import SECTIONS, page
from evaluation.report.printable import CONTROL
from evaluation.tests.pages import (
    CURL,
    HOSTILE,
    REPORTS,
    Text,
    full_report,
    hostile_report,
    text_of,
)
from evaluation.tests.test_judge import CHEAP, WORK, by_criterion, load, measured
from evaluation.tests.test_regrading import loaded_report, older
from evaluation.tests.test_reporting import EVERY, FULL, report, saying


@pytest.mark.parametrize("kind", REPORTS)
def test_every_kind_of_report_has_a_page_with_every_section(kind: str) -> None:
    markup = page(REPORTS[kind]())
    found = Text(markup)

    assert [place for place in found.sections if place] == list(SECTIONS)
    assert all(found.sections[place].strip() for place in SECTIONS)
    assert found.open == []
    assert len(markup.encode()) < LIMIT_BYTES
    assert {tag for tag, _ in found.tags}.isdisjoint({"script", "img", "iframe", "object"})


def test_the_first_screen_tells_the_outcome_the_requirements_and_three_figures() -> None:
    found = full_report()

    told = text_of(found, "summary")

    assert "c resolved" in told
    assert "SQL statements of a cold page of 20: 847 → 3" in told
    assert "on the wire for that page: 449.7 → 0.0 KB" in told
    assert "P95, 500 clients on a warm page (limit: 200 ms): no answer → 30 ms" in told
    for row in found["requirements"]:
        assert f"{row['requirement']} {row['title']}" in told
    assert "R08 Listings are cached in Redis for 60 seconds fail → pass" in told


def test_without_load_the_third_figure_is_the_cpu_time_of_a_warm_answer() -> None:
    dear = replace(by_criterion({}), cpu=(replace(CHEAP, candidate_us=2_000.0),))

    told = text_of(report(by_criterion({}), before=dear), "summary")

    assert "the CPU time of a null server, for a warm page (limit: 40 x): 50.0 x → 5.0 x" in told


@pytest.mark.parametrize(
    ("kind", "place", "sentence"),
    [
        ("quick", "latency", "Nothing was timed in this report"),
        ("quick", "growth", "Page costs by the size of the catalog were not measured"),
        ("quick", "changes", "The difference between baseline and candidate is not part of this report."),
        ("quick", "plans", "This report holds no plans in which the sides differ."),
        (
            "unmeasured",
            "failed",
            "The candidate could not be measured, so no criterion was judged",
        ),
        ("older", "criteria", "This report is older than the list of criteria."),
        ("older", "latency", "because this report keeps no histograms"),
        ("scale", "machine", "Nothing was timed in this report, so there is no noise to tell."),
    ],
)
def test_what_a_report_lacks_is_told_in_a_sentence(kind: str, place: str, sentence: str) -> None:
    found = REPORTS[kind]()
    if kind == "quick":
        found["difference"] = None

    assert sentence in text_of(found, place)


def test_what_others_wrote_is_text_wherever_it_stands() -> None:
    found = hostile_report(HOSTILE)
    found["requirements"][3]["title"] = found["criteria"][3]["sentence"] = HOSTILE

    markup = page(found, remark=HOSTILE)

    parsed = Text(markup)
    assert parsed.open == []
    assert {tag for tag, _ in parsed.tags}.isdisjoint({"script", "img"})
    assert not any(name.startswith("on") for _, attributes in parsed.tags for name in attributes)
    assert CONTROL.search(markup.replace("\n", "")) is None
    assert "49 &amp;" not in markup
    assert markup.count("&lt;img src=x onerror=alert(1)&gt;") > 10


@pytest.mark.parametrize("character", ["<", "x", "\x00", "\n", EVERY[:400]])
def test_a_megabyte_of_text_in_every_place_makes_no_large_page(character: str) -> None:
    megabyte = character * (1_000_000 // len(character))

    markup = page(hostile_report(megabyte))

    assert len(markup.encode()) < LIMIT_BYTES
    assert Text(markup).open == []
    assert "cut: the text has" in markup


def test_a_page_shows_less_of_each_text_where_there_are_many() -> None:
    everything = by_criterion(dict.fromkeys(criteria(), "failed"))
    tests = [replace(one, nodeid=f"{one.nodeid} {n}") for one in everything.suite.tests for n in range(3)]
    bad = replace(everything, suite=replace(everything.suite, tests=tuple(tests)))
    found = report(saying(bad, "<" * 10_000), before=saying(bad, ">" * 10_000))

    markup = page(found | {"difference": 4 * difference(BASELINE, REFERENCE)})

    assert 0.1 * LIMIT_BYTES < len(markup.encode()) < LIMIT_BYTES
    assert "&lt;" * 50 in markup
    assert "&lt;" * 500 not in markup


def test_many_rows_make_no_large_page() -> None:
    found = full_report()
    names = [f"relation_{number}_{'x' * 50}" for number in range(20_000)]
    found["work"]["before"]["first_page_cold"]["reads"] = {name: ["Seq Scan"] for name in names}
    found["results"]["after"]["signals"] = [{"name": name, "detail": name} for name in names]
    found["load"]["after"]["hot"]["outcomes"] = dict.fromkeys(names, 1)
    found["environment"] |= dict.fromkeys(names, "x")
    found["notes"] = names

    assert len(page(found).encode()) < LIMIT_BYTES


@pytest.mark.parametrize("text", ["short", "<" * 50, "\x00" * 50, "é" * 200])
def test_a_cut_text_takes_no_more_than_its_share_and_says_so(text: str) -> None:
    shown = clipped(text, 100)

    assert len(shown.partition("\n[… cut")[0]) <= 100
    assert shown == text if text == "short" else "cut: the text has" in shown


def test_plans_are_told_side_by_side_with_the_statements_that_had_them() -> None:
    found = full_report()
    plan = {"sql": "SELECT 1 < 2", "times": 785, "buffers": 1_234, "nodes": ["Sort: 1 rows", "  Seq Scan"]}
    found["work"]["before"]["first_page_cold"]["plans"] = [plan]

    told = text_of(found, "plans")

    assert "first page, cold reviews Seq Scan Index Scan" in told
    assert "baseline 785 times, 1,234 buffers in all: SELECT 1 < 2 Sort: 1 rows Seq Scan" in told
    assert "candidate No statement was sent." in told
    assert "The plans themselves are not part of this report." in text_of(full_report(), "plans")


def test_histograms_plans_and_difference_stand_in_the_file_of_a_report_and_are_read_back(
    tmp_path: Path,
) -> None:
    plan = StatementPlan("SELECT 1", 3, 7, ["Result: 1 rows"])
    kept = histograms({"candidate": [1.0, 2.0]})
    side = replace(
        by_criterion({}),
        work=(replace(WORK[0], plans=[plan]), WORK[1]),
        load=(replace(load("hot", 30), latencies=kept),),
    )
    found = judged(side, side, FULL, datetime.now(UTC), difference="diff --git a/x b/x\n")

    written = json.loads(document.write(document.as_report(found), tmp_path).read_text())

    assert document.measured_side(written, "after") == side
    assert written["difference"] == found.difference


def test_a_failed_criterion_is_told_with_its_message_and_a_request() -> None:
    found = report(saying(by_criterion({"R15.1": "failed"}), f"no ETag\n    {CURL}\n    answered 200"))

    told = text_of(found, "failed").partition("Baseline")[0]

    assert f"R15.1 {criteria()['R15.1'].sentence}".replace("`", "") in told
    assert "test of R15.1" in told
    assert "no ETag" in told
    assert f"Ask again: {CURL}" in told


def test_a_message_without_a_request_is_told_with_the_command_that_runs_its_test() -> None:
    found = report(saying(by_criterion({"R15.1": "failed"}), "no ETag"))

    told = text_of(found, "failed")

    assert "Ask again: .venv/bin/python -m pytest -q 'test of R15.1' --candidate DIR" in told


def test_criteria_are_told_with_their_sentences_and_verdicts() -> None:
    told = text_of(report(by_criterion({"R12.4": "failed"})), "criteria")

    for one in criteria().values():
        assert " ".join(one.sentence.replace("`", "").split()) in told
    assert "R08.3" in told
    assert "R01.1" in told
    assert "not timed not timed" in told


def test_isolation_noise_and_signs_of_tampering_are_told() -> None:
    found = full_report()
    found["results"]["after"]["signals"] = [{"name": "no_work", "detail": "GET /products"}]

    told = text_of(found, "machine")

    assert f"isolation {found['environment']['isolation']}" in told
    assert "candidate: no_work GET /products" in told
    assert "One warm page, 500 clients candidate 5 30.0 / 30.0 / 30.0 30.0 0.0%" in told
    assert "the null server answered 1.00 times as much as itself (1.00 to 1.00), no difference." in told
    assert "git commit" in told


def test_a_page_stands_beside_every_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(destination, "REPORTS", tmp_path / "reports")
    found = REPORTS["quick"]()

    Destination().write(found, "stamp")
    Destination(tmp_path / "out").write(found, "stamp", "name")
    Destination(file=tmp_path / "r.json").write(found, "stamp")
    Destination(file=tmp_path / "page.html").write(found, "stamp")

    names = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.html")}
    pages = {"reports/latest.html", "reports/stamp/report.html", "out/name/report.html", "r.html"}
    assert names == pages | {"page.html", "page.html.html"}
    assert json.loads((tmp_path / "page.html").read_text()) == found
    assert {(tmp_path / name).read_text() for name in pages} == {page(found)}


def test_regrade_writes_the_page_of_an_older_report_and_tells_what_it_judged(tmp_path: Path) -> None:
    path = document.write(older(report(measured({}), FULL, measured({"R08": "failed"}))), tmp_path)

    status = regrade_main([str(path)])

    assert status == RESOLVED
    assert re.search(r"Judged again by version [\d.]+: resolved\.<", (tmp_path / "report.html").read_text())


def test_regrade_tells_in_the_page_what_it_judges_otherwise(tmp_path: Path) -> None:
    found = loaded_report({}) | {"outcome": "unresolved", "success": False}

    status = regrade_main([str(document.write(found, tmp_path))])

    assert status == NO_VERDICT
    assert "The stored outcome" in (tmp_path / "report.html").read_text()


def test_an_error_while_rendering_loses_no_report_and_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = REPORTS["quick"]()
    path = Destination(tmp_path).write(found, "stamp")

    def broken(*_: object) -> str:
        raise ZeroDivisionError("\x1b[31mno")

    monkeypatch.setattr(beside, "page", broken)

    assert Destination(tmp_path).write(found, "stamp") == path
    told = "report.html was not written, but the report was: ZeroDivisionError: \\x1b[31mno\n"
    assert capsys.readouterr().err == told
    assert json.loads(path.read_text()) == found
    assert [one.name for one in tmp_path.iterdir()] == ["report.json"]
    assert regrade_main([str(path)]) == RESOLVED


def test_a_report_that_fits_into_no_page_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = REPORTS["quick"]()
    for row in found["criteria"]:
        row["sentence"] = "x" * LIMIT_BYTES
    path = document.write(found, tmp_path)

    beside.write_beside([path], found)

    assert "TooLargeError: the page would be larger than 1,500,000 bytes" in capsys.readouterr().err
    assert [one.name for one in tmp_path.iterdir()] == ["report.json"]
