"""How Postgres read the tables for single requests, on both catalogs."""

from pathlib import Path

from evaluation.database.dataset import SIZES
from evaluation.measure.reads import REQUESTS, Reads, reads_in, with_reads
from evaluation.measure.work import SCENARIOS
from evaluation.records import WorkSample
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
