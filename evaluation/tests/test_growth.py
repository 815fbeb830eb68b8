"""Growth laws follow from page costs, and a report contains them."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from evaluation.cli import regrade_main
from evaluation.errors import NO_VERDICT, RESOLVED
from evaluation.judge.growth import deepenings, exponent, laws
from evaluation.measure.settings import Settings
from evaluation.pipeline import judged
from evaluation.records import CountCost, PageCost
from evaluation.report import document, markdown, terminal
from evaluation.tests.test_judge import measured

SIZES = (10_000, 100_000, 1_000_000)


def cost(products: int, buffers: float | None, depth: float = 0.01, failure: str | None = None) -> PageCost:
    """The cost of a page of the listing of all products; its ms are a tenth of its buffers."""
    ms = None if buffers is None else buffers / 10
    return PageCost(products, "", depth, 0, products, True, 2, 2, 50, buffers, ms, 9, 9.0, failure)


@pytest.mark.parametrize(
    ("buffers", "law"),
    [
        ((100, 100, 100), "flat"),
        ((90, 100, 115), "flat"),
        ((100, 330, 1_000), "between"),
        ((20_000, 190_000, 1_900_000), "linear"),
        ((1, 100, 10_000), "more than linear"),
        ((100, 1_000), "unknown"),
        ((100, 0, 1_000), "unknown"),
        ((100, None, 1_000), "unknown"),
    ],
)
def test_the_exponent_decides_the_law(buffers: tuple[float | None, ...], law: str) -> None:
    [found] = laws([cost(products, spent) for products, spent in zip(SIZES, buffers, strict=False)])

    assert (found.buffers_law, found.ms_law) == (law, law)


def test_the_exponent_is_the_power_of_the_size() -> None:
    assert exponent([(size, 7 * size**0.5) for size in SIZES]) == 0.5
    assert exponent([(10, 1.0), (10, 2.0), (10, 3.0)]) is None


def test_a_page_at_another_depth_than_requested_does_not_count() -> None:
    costs = [cost(10_000, 100), cost(100_000, 1_000), cost(1_000_000, 100, failure="no farther")]

    assert [law.buffers_law for law in laws(costs)] == ["unknown"]


def test_every_listing_and_depth_has_a_law_of_its_own() -> None:
    deep = [cost(size, size / 10, depth=0.99) for size in SIZES]

    found = laws([*(cost(size, 50) for size in SIZES), *deep])

    assert [(law.depth, law.buffers_law) for law in found] == [(0.01, "flat"), (0.99, "linear")]


@pytest.mark.parametrize(("deep", "alike"), [(109, True), (91, True), (111, False), (89, False)])
def test_a_page_within_a_tenth_of_the_shallowest_is_alike(deep: float, alike: bool) -> None:
    [found] = deepenings([cost(10_000, 100), cost(10_000, deep, depth=0.99)])

    assert (found.buffers_ratio, found.is_alike) == (deep / 100, alike)


def test_without_the_shallowest_page_there_is_nothing_to_compare_with() -> None:
    costs = [cost(10_000, None, failure="broken"), cost(10_000, 100, 0.5), cost(10_000, 200, 0.99)]

    assert deepenings(costs) == ()


@pytest.fixture
def report(tmp_path: Path) -> Path:
    """A resolved report in which the cost of pages grows on one side only."""
    before = replace(
        measured({"R10": "failed"}),
        growth=tuple(replace(cost(size, size), counting=1) for size in SIZES),
        counts=(CountCost(10_000, 9_000, 2.0, 99), CountCost(1_000_000, 900_000, 200.0, 9_999)),
        page_500=replace(cost(100_000, 5_000, 0.1111), skipped=10_000, listed=90_000),
    )
    flat = [cost(size, 50, depth) for size in SIZES for depth in (0.01, 0.99)]
    after = replace(
        measured({}),
        growth=(*flat, cost(10_000, None, 0.5, "GET /products: 500")),
        page_500=replace(cost(100_000, None, 0.1, "GET /products: 500"), skipped=40, listed=90_000),
    )
    found = judged(before, after, Settings(), datetime.now(UTC))
    return document.write(document.as_report(found), tmp_path)


def test_a_report_with_growth_gets_the_same_verdicts_again(report: Path) -> None:
    assert regrade_main([str(report)]) == RESOLVED


def test_a_law_that_does_not_follow_from_the_pages_is_noticed(report: Path) -> None:
    changed = json.loads(report.read_text())
    changed["growth"]["before"]["laws"][0]["buffers_law"] = "flat"
    report.write_text(json.dumps(changed))

    assert regrade_main([str(report)]) == NO_VERDICT


def test_an_older_report_without_growth_can_be_judged_again(report: Path) -> None:
    old = json.loads(report.read_text())
    del old["growth"]
    report.write_text(json.dumps(old))

    assert regrade_main([str(report)]) == RESOLVED
    assert "one page of 20" not in terminal.summary(old)
    assert "1,000,000 products" not in markdown.text([old])


def test_a_full_count_and_page_500_are_told_and_read_back(report: Path) -> None:
    found = json.loads(report.read_text())

    for summary in (terminal.summary(found), markdown.text([found])):
        assert (
            "before: 1,000,000 products: a full count of 900,000 costs 9,999 buffers and 200.0 ms; "
            "a further page 1,000,000 buffers, 2 statements, of which 1 count"
        ) in summary
        assert "before: the page after 10,000 of 90,000 products: 5,000 / 500.0 ms" in summary
        assert "after: the page after 40 of 90,000 products: no figures (GET /products: 500)" in summary
    before = document.measured_side(found, "before")
    assert before.counts[1] == CountCost(1_000_000, 900_000, 200.0, 9_999)
    assert before.page_500 is not None
    assert before.page_500.skipped == 10_000


def test_a_report_without_full_counts_and_page_500_can_be_judged_again(report: Path) -> None:
    old = json.loads(report.read_text())
    del old["page_500"]
    for side in old["growth"].values():
        del side["counts"]
        for page in side["pages"]:
            del page["counting"]
    report.write_text(json.dumps(old))

    assert regrade_main([str(report)]) == RESOLVED
    assert "full count" not in terminal.summary(old)
    assert "the page after" not in markdown.text([old])


def test_the_summaries_show_sizes_laws_and_failures(report: Path) -> None:
    found = json.loads(report.read_text())

    for summary in (terminal.summary(found), markdown.text([found])):
        assert "1,000,000 / 100,000.0 ms" in summary
        assert "linear (n^1.00)" in summary
        assert "flat (n^0.00)" in summary
        assert "3 of 3 deeper pages within 10 %" in summary
        assert "GET /products: 500" in summary
