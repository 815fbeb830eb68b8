"""`report.html`: latencies and page costs as curves."""

import re

import pytest

from evaluation.measure.histograms import decoded, histograms
from evaluation.report.html.latency import MARKS, answers_to, place
from evaluation.report.html.page import page
from evaluation.tests.pages import (
    Text,
    full_report,
    latencies_ms,
    needs_histograms,
    scale_report,
    text_of,
)
from evaluation.tests.test_regrading import loaded_report


@needs_histograms
def test_a_histogram_has_the_percentiles_of_all_latencies() -> None:
    values = sorted(latencies_ms(5, 20_000))

    kept = histograms({"candidate": values, "null": []})

    assert list(kept) == ["candidate"]
    assert len(kept["candidate"]) < 2_000
    found = decoded(kept["candidate"])
    assert found.total_count == len(values)
    for share in (10, 50, 95, 99, 99.9):
        exact = values[int(share / 100 * (len(values) - 1))]
        assert found.get_value_at_percentile(share) / 1000 == pytest.approx(exact, rel=0.02)


@needs_histograms
def test_a_curve_leads_through_the_percentiles_up_to_the_longest_answer() -> None:
    load_of_both = full_report()["load"]

    found = {one.look: one.points() for one in answers_to(load_of_both, "hot")}

    assert list(found) == ["after", "null", "ceiling"]
    values = sorted(latencies_ms(1))
    assert found["after"][-1][1] == pytest.approx(values[-1], rel=0.02)
    for x, ms in found["after"]:
        if x < place(99.9):
            assert ms == pytest.approx(values[int((1 - 10**-x) * len(values))], rel=0.03)
    assert [x for x, _ in found["after"]] == sorted(x for x, _ in found["after"])
    assert {words: x for x, words in MARKS}["99 %"] == pytest.approx(place(99.0))


def test_a_report_without_histograms_has_curves_of_medians() -> None:
    found = loaded_report({})
    assert all(not one["latencies"] for one in found["load"]["after"].values())

    [candidate, _] = answers_to(found["load"], "hot")

    assert [ms for _, ms in candidate.points()] == [30.0, 30.0, 30.0]


def test_where_the_package_for_histograms_is_missing_nothing_is_kept_and_medians_are_shown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = full_report()
    monkeypatch.setattr("evaluation.measure.histograms.HdrHistogram", None)

    assert histograms({"candidate": [1.0]}) == {}
    assert "because this report keeps no histograms" in text_of(found, "latency")


def test_latency_is_told_of_candidate_baseline_null_server_and_nginx() -> None:
    markup = page(full_report())

    told = text_of(full_report(), "latency")
    assert "One warm page, 500 clients" in told
    assert re.search(r"candidate( 30\.0){4} 1,000 null server( 30\.0){4} 1,000 nginx( 30\.0){4} 1,000", told)
    assert "baseline: 25 x 500, 475 x timeout" in told
    labels = [attributes["aria-label"] for tag, attributes in Text(markup).tags if tag == "svg"]
    assert any((label or "").startswith("One warm page, 500 clients: latency in ms") for label in labels)
    for look in ("after", "null", "ceiling"):
        assert f'class="series {look}"' in markup


def test_growth_is_told_with_its_law_and_a_line_for_every_side_and_depth() -> None:
    markup = page(scale_report())

    assert "flat (n^0.20)" in markup or "between (n^0.20)" in markup
    assert "linear (n^1.00)" in markup
    for look in ("before depth-0", "before depth-2", "after depth-1"):
        assert f'class="series {look}"' in markup
    assert "baseline, at 99% of the listing" in markup
