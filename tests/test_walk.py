"""Random walks over the API, each answer compared with a model of the contract: API.9 and R08.11."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from evaluation.database.dataset import SIZES
from evaluation.serving.workbench import Workbench
from tests.conftest import WITHOUT_PROBE, subject_on
from tests.faulty_redis import FaultyRedis
from tests.passing_time import pass_time
from tests.walk.drawing import WEIGHTS, WEIGHTS_OF_TWO, steps
from tests.walk.reads import Budget, Step, WalksAreOver
from tests.walk.walk import Walk
from tests.walk.world import World

SECONDS = 4.0
STEPS = 50
SETTINGS = settings(
    max_examples=1_000,
    deadline=None,
    database=None,
    phases=(Phase.generate, Phase.shrink),
    suppress_health_check=list(HealthCheck),
    report_multiple_bugs=False,
    print_blob=False,
)


@pytest.fixture
def world(bench: Workbench, candidate: Path) -> Iterator[World]:
    """Rows of this test's own."""
    with bench.stage(SIZES["small"], with_plans=True) as stage:
        world = World(stage, candidate)
        yield world
        world.close()


def clock_moves(world: World) -> bool:
    """Whether the candidate's cache knows that time was made to pass; if not, walks go without pauses."""
    with subject_on(world.stage, world.candidate) as subject:
        first = subject.json("/products?limit=1")["items"][0]
        subject.json("/products?limit=1")
        subject.sql("update products set name = 'Moved' where id = %s", first["id"])
        pass_time([subject], 62)
        moved = bool(subject.json("/products?limit=1")["items"][0]["name"] == "Moved")
        subject.sql("update products set name = %s where id = %s", first["name"], first["id"])
    return moved


def walk(world: World, processes: int, weights: dict[str, int], budget: Budget) -> None:
    """Walk until the time is over; a failure is told with the fewest steps that were found to lead to it."""

    @given(drawn=steps(weights, STEPS))
    @SETTINGS
    def take(drawn: list[Step]) -> None:
        with world.walk(processes) as (model, subjects):
            Walk(world, budget, model, subjects).take(drawn)

    try:
        take()
    except WalksAreOver:
        pass
    except Exception:
        # Hypothesis ends with the last walk that failed; the shortest one is told instead.
        if not budget.failure:
            raise

    assert not budget.failure, budget.failure
    assert budget.steps_done, "no walk took a step"


@pytest.mark.criterion("API.9")
def test_a_random_walk_gets_the_right_answers(world: World) -> None:
    world.clock_moves = clock_moves(world)

    walk(world, 1, WEIGHTS, Budget(SECONDS))


@pytest.mark.criterion("API.9")
def test_a_random_walk_without_the_probe_gets_the_right_answers(world: World) -> None:
    world.options = WITHOUT_PROBE

    walk(world, 1, WEIGHTS, Budget(SECONDS))


@pytest.mark.criterion("R08.11")
def test_a_random_walk_over_two_processes_gets_the_right_answers(world: World) -> None:
    world.clock_moves = clock_moves(world)
    with FaultyRedis(world.stage.redis_url) as relay:
        world.redis_url = relay.url

        walk(world, 2, WEIGHTS_OF_TWO, Budget(SECONDS, relay.cut))
