"""Measures how Postgres read each table for a single request: by an index, or the whole of it."""

from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path

from evaluation.database.counters import Counters
from evaluation.database.plans import read_plan
from evaluation.errors import CandidateError
from evaluation.measure.outlines import MALFORMED, OF_THE_SYSTEM, outlines
from evaluation.measure.work import SCENARIOS, fetch
from evaluation.records import WorkSample
from evaluation.serving.relay import Relay
from evaluation.serving.server import Server
from evaluation.serving.workbench import Workbench

Reads = dict[str, list[str]]
"""The kinds of plan nodes that read a table, by the name of the table."""
REQUESTS = ("first_page_cold", "detail", "batch_of_20")
"""The requests that are looked at: plans of every statement take time, and the baseline sends thousands."""


def with_reads(
    work: Sequence[WorkSample], bench: Workbench, candidate: Path, products: int
) -> tuple[WorkSample, ...]:
    """The samples with what the plans of three of the requests tell, on a stage where no time is measured."""
    with (
        bench.stage(products, with_plans=True) as stage,
        stage.serving(candidate) as server,
        closing(stage.counters()) as counters,
    ):
        assert stage.relay is not None
        plans_of(server, counters, stage.relay, "/products/1")
        plans = {name: plans_of(server, counters, stage.relay, SCENARIOS[name]) for name in REQUESTS}
    return tuple(with_plans(sample, plans.get(sample.scenario, [])) for sample in work)


def with_plans(sample: WorkSample, plans: Sequence[str]) -> WorkSample:
    """A sample with what the plans of its request tell."""
    return replace(sample, reads=reads_in(plans), plans=outlines(plans))


def plans_of(server: Server, counters: Counters, relay: Relay, path: str) -> list[str]:
    """The plans of the statements of one request; an answer that does not come decides nothing here."""
    told = len(relay.plans)
    with suppress(CandidateError):
        fetch(server, path)
    counters.settle()
    relay.settle()
    return relay.plans[told:]


def reads_in(plans: Sequence[str]) -> Reads:
    """The kinds of nodes that read each table of the catalog, in all plans together."""
    found = set().union(*map(scans_in, plans))
    tables = sorted({table for table, _ in found})
    return {table: sorted(kind for name, kind in found if name == table) for table in tables}


def scans_in(plan: str) -> set[tuple[str, str]]:
    """Each table of the catalog with the kind of a node that reads it; nothing in a forged text."""
    try:
        return {
            (node.relation, node.kind)
            for node in read_plan(plan).nodes
            if node.kind.endswith("Scan") and node.relation and not node.relation.startswith(OF_THE_SYSTEM)
        }
    except MALFORMED:
        return set()
