"""The requests of each round of a scenario, and a stampede on two processes that share one cache."""

from pathlib import Path

from evaluation.database.dataset import SIZES
from evaluation.measure.load import measure_stampede, plan_of_round
from evaluation.measure.scenarios import CLIENTS, ROUNDS, mixed_requests, scenarios
from evaluation.serving.workbench import open_workbench

REFERENCE = Path(__file__).parents[2] / "repository_after"


def test_every_round_of_a_candidate_starts_at_another_part_of_the_requests() -> None:
    for kind in scenarios(100_000, [1, 2, 3], ["/products?limit=20"] * ROUNDS, '"tag"'):
        if len(kind.requests) < kind.rounds:
            continue
        firsts = [plan_of_round(kind, [1], "candidate", turn)["first"] for turn in range(kind.rounds)]

        assert firsts == [turn * len(kind.requests) // kind.rounds for turn in range(kind.rounds)], kind.name


def test_only_a_candidates_first_round_has_the_long_warm_up() -> None:
    [popular] = [kind for kind in scenarios(100_000, [1], ["/"], '"tag"') if kind.name == "popular"]
    warm_ups = [plan_of_round(popular, [1], "candidate", turn)["warm_up_s"] for turn in range(2)]

    assert warm_ups[0] == popular.warm_up_s > warm_ups[1]
    assert plan_of_round(popular, [1], "null", 0)["warm_up_s"] == warm_ups[1]


def test_every_write_has_a_higher_version_than_the_last() -> None:
    versions = [one["write"] for one in mixed_requests([1, 2, 3]) if "write" in one]

    assert versions == sorted(set(versions))


def test_two_processes_of_the_reference_load_a_cold_page_once() -> None:
    with open_workbench() as bench, bench.stage(SIZES["small"]) as stage:
        stampede = measure_stampede(stage, REFERENCE, processes=2, rounds=2)

    assert stampede.outcomes == {"200": 2 * CLIENTS}
    assert stampede.bodies_wrong == 0
    assert stampede.statements_per_request * CLIENTS == 3
