"""How Postgres read the tables for single requests, on both catalogs."""

import json
from dataclasses import asdict
from pathlib import Path

from evaluation.database.dataset import SIZES
from evaluation.measure.outlines import outlines
from evaluation.measure.reads import REQUESTS, Reads, reads_in, with_reads
from evaluation.measure.work import SCENARIOS
from evaluation.records import StatementPlan, WorkSample
from evaluation.restored import work_sample_from
from evaluation.serving.workbench import Workbench

ROOT = Path(__file__).parents[2]
BEFORE, AFTER = ROOT / "repository_before", ROOT / "repository_after"
WORK = tuple(WorkSample(name, 200, 1, 1, 1, 1, 1, 1, "") for name in SCENARIOS)


PLAN = """{"Query Text": "select", "Plan": {"Node Type": "%s", "Relation Name": "%s", "Actual Rows": 1,
"Actual Loops": 1}}"""
FORGED = ("no plan", "[]", "{}", '{"Plan": 3}', "[" * 100_000, PLAN.replace('"%s"', "[7]"))


def reads(bench: Workbench, candidate: Path) -> dict[str, Reads]:
    """How a catalog reads its tables, by scenario."""
    return {one.scenario: one.reads for one in with_reads(WORK, bench, candidate, SIZES["tenth"])}


def test_a_text_that_is_no_plan_tells_nothing_and_stops_nothing() -> None:
    real = (PLAN % ("Seq Scan", "reviews"), PLAN % ("Index Scan", "pg_type"), PLAN % ("ModifyTable", "users"))

    assert reads_in((*FORGED, *real)) == {"reviews": ["Seq Scan"]}


def test_a_statement_is_told_once_with_its_first_plan_and_how_often_it_was_sent() -> None:
    real = (PLAN % ("Seq Scan", "reviews"), PLAN % ("Index Scan", "users"))

    assert outlines((*FORGED, *real)) == [StatementPlan("select", 2, 0, ["Seq Scan on reviews: 1 rows"])]
    assert outlines((PLAN % ("Index Scan", "pg_type"),)) == []


def test_the_plans_of_a_page_name_their_statements_tables_and_indexes(bench: Workbench) -> None:
    pages = []
    for candidate in (BEFORE, AFTER):
        measured = with_reads(WORK, bench, candidate, SIZES["tenth"])
        pages.append({one.scenario: one.plans for one in measured}["first_page_cold"])
        assert measured == tuple(work_sample_from(json.loads(json.dumps(asdict(one)))) for one in measured)

    before, after = pages
    assert sum(one.times for one in before) == 847
    assert len(before) == 6, before
    assert [one.times for one in before if "FROM users" in one.sql] == [785]
    assert sum(one.times for one in after) == 3
    [page] = [one for one in after if "FROM products" in one.sql and "inventory" in one.sql]
    assert any("Index Scan on products using " in line for line in page.nodes), page.nodes
    assert all(one.buffers > 0 for one in (*before, *after))


def test_the_baseline_reads_whole_tables_where_the_reference_uses_an_index(bench: Workbench) -> None:
    before, after = reads(bench, BEFORE), reads(bench, AFTER)

    for scenario in REQUESTS:
        for table in ("reviews", "inventory"):
            assert before[scenario][table] == ["Seq Scan"]
            assert "Seq Scan" not in after[scenario][table]
    assert "Seq Scan" in before["first_page_cold"]["products"]
    assert "Seq Scan" not in after["first_page_cold"]["products"]
    assert before["detail"]["products"] == ["Index Scan"], "what the page before read is not told again"
    assert set(after["detail"]) == {"products", "categories", "inventory", "reviews", "users"}
