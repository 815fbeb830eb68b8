"""The requests of each round of a scenario, and a stampede on two processes that share one cache."""

from collections.abc import Callable
from pathlib import Path

import pytest

from evaluation.candidates.folder import copied
from evaluation.measure import load
from evaluation.measure.cold import measure_stampede
from evaluation.measure.cpu import measure_cpu
from evaluation.measure.histograms import decoded
from evaluation.measure.load import answers_warm, is_hopeful, measure_load, plan_of_round
from evaluation.measure.scenarios import (
    CLIENTS,
    FIRST_PAGE,
    ROUNDS,
    Scenario,
    gets,
    mixed_requests,
    scenarios,
)
from evaluation.records import CpuCost
from evaluation.serving.workbench import Stage
from evaluation.tests.pages import needs_histograms

REFERENCE = Path(__file__).parents[2] / "repository_after"
BASELINE = Path(__file__).parents[2] / "repository_before"
CHEAP, DEAR = (CpuCost("warm_page", 9, cost_us, 40.0, {"200": 9}) for cost_us in (200.0, 900_000.0))

FULL_WHILE_COLD = """
_served = app
waiting = 0
is_warm = False


async def app(scope, receive, send):
    global waiting, is_warm
    if scope.get("path") != "/products":
        return await _served(scope, receive, send)
    if not is_warm and waiting >= 100:
        await send({"type": "http.response.start", "status": 503, "headers": []})
        return await send({"type": "http.response.body", "body": b""})
    waiting += 1
    await _served(scope, receive, send)
    is_warm = True
"""


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


def test_a_candidate_that_fails_the_stampede_alone_is_timed_on_a_warm_page(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    candidate = copied(REFERENCE, tmp_path / "full")
    with (candidate / "main.py").open("a") as main:
        main.write(FULL_WHILE_COLD)
    monkeypatch.setattr(load, "scenarios", lambda *_: [Scenario("hot", gets([FIRST_PAGE]), rounds=1)])

    lines: list[str] = []

    samples = {one.scenario: one for one in measure_load(stage, candidate, CHEAP, lines.append)}

    assert list(samples) == ["stampede", "cold_page_one_client", "hot"]
    assert lines == [f"full: load: {name}" for name in samples], "every scenario is told as it begins"
    assert "503" in samples["stampede"].outcomes
    assert set(samples["hot"].outcomes) == {"200"}


@needs_histograms
def test_all_latencies_of_every_target_are_kept(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    hot = Scenario("hot", gets([FIRST_PAGE]), rounds=2, round_s=0.5)
    monkeypatch.setattr(load, "scenarios", lambda *_: [hot])

    samples = {one.scenario: one for one in measure_load(stage, REFERENCE, CHEAP, lambda _: None)}

    targets = {"candidate": "rounds", "null": "null_rounds", "floor": "floor_rounds"}
    for sample in samples.values():
        found = {target: getattr(sample, name) for target, name in targets.items() if getattr(sample, name)}
        assert found.keys() == sample.latencies.keys() - {"null_again", "ceiling"}, sample.scenario
        for target, rounds in found.items():
            kept = decoded(sample.latencies[target])
            assert kept.total_count == sum(one.requests for one in rounds)
            assert kept.get_max_value() / 1000 == pytest.approx(max(one.max_ms for one in rounds), rel=0.02)
    assert {"null", "null_again"} < samples["hot"].latencies.keys()
    assert samples["cold_page_one_client"].latencies.keys() == {"candidate", "floor"}


def test_the_baseline_is_cut_short_without_another_request(stage: Stage) -> None:
    assert not is_hopeful(measure_cpu(stage, BASELINE)[0])
    assert not is_hopeful(DEAR)
    assert is_hopeful(CHEAP)


def test_a_candidate_that_does_not_answer_500_clients_on_a_warm_page_is_cut_short(
    stage: Stage, tmp_path: Path
) -> None:
    candidate = copied(REFERENCE, tmp_path / "full")
    with (candidate / "main.py").open("a") as main:
        main.write(FULL_WHILE_COLD.replace("is_warm = True", "waiting -= 1"))

    assert not answers_warm(stage, candidate)


def test_what_the_pool_says_of_too_many_clients_is_counted(stage: Stage, tmp_path: Path) -> None:
    candidate = copied(BASELINE, tmp_path / "impatient")
    database = candidate / "database.py"
    text = database.read_text()
    pool = 'drivername="postgresql+psycopg2"), pool_size=1, max_overflow=2, pool_timeout=0.1)'
    database.write_text(text.replace('drivername="postgresql+psycopg2"))', pool))

    stampede = measure_stampede(stage, candidate, lambda _: None, processes=1)

    [(told, times)] = stampede.pool_errors.items()
    assert told.startswith("TimeoutError: QueuePool limit of size 1 overflow 2 reached")
    assert "timeout 0.10" in told
    assert times >= stampede.outcomes["500"] > 0


def test_two_processes_of_the_reference_load_a_cold_page_once(
    stage: Stage, variant: Callable[..., Path]
) -> None:
    # A busy machine needs longer for a page than one process waits for another.
    patient = variant(("config.py", "CLAIM_MS = 200", "CLAIM_MS = 5_000"))
    stampede = measure_stampede(stage, patient, lambda _: None, processes=2, rounds=2)

    assert stampede.outcomes == {"200": 2 * CLIENTS}
    assert stampede.pool_errors == {}
    assert stampede.bodies_wrong == 0
    assert stampede.statements_per_request * CLIENTS == 3
