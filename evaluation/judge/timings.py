"""Statistics of timed rounds: medians, ratios with their uncertainty, and whether the machine was able."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from evaluation.records import LoadSample, Round

P95_GOAL_MS = 200.0
NULL_P95_LIMIT_MS = 50.0
"""If the null server needs a quarter of the goal, the machine is too slow or too busy to judge timings."""
RESAMPLES = 1000


@dataclass(frozen=True, slots=True)
class Ratio:
    """A ratio of medians with its 95 % bootstrap interval."""

    value: float
    low: float
    high: float


def p95_ms(rounds: Sequence[Round]) -> float | None:
    """The median of the rounds' P95; None when a round had no answer at all."""
    values = [one.p95_ms for one in rounds if one.p95_ms is not None]
    return round(statistics.median(values), 2) if values and len(values) == len(rounds) else None


def rounds_over_limit(rounds: Sequence[Round]) -> str:
    """How many rounds missed the goal; a round without an answer missed it."""
    over = sum(one.p95_ms is None or one.p95_ms >= P95_GOAL_MS for one in rounds)
    return f"{over} of {len(rounds)} rounds over {P95_GOAL_MS:.0f} ms"


def all_answered(sample: LoadSample) -> bool:
    """Whether every request got 200 or 304."""
    return not set(sample.outcomes) - {"200", "304"}


def throughput(rounds: Sequence[Round]) -> float:
    """The median of the rounds' throughput, in answers a second."""
    return round(statistics.median(one.throughput for one in rounds), 1) if rounds else 0.0


def ratio(these: Sequence[float], those: Sequence[float]) -> Ratio | None:
    """Median divided by median, with a bootstrap from a fixed seed; None without a divisor."""
    if not these or not those or statistics.median(those) <= 0:
        return None
    generator = Random(0)
    values = sorted(
        statistics.median(generator.choices(these, k=len(these)))
        / max(1e-9, statistics.median(generator.choices(those, k=len(those))))
        for _ in range(RESAMPLES)
    )
    value = statistics.median(these) / statistics.median(those)
    low, high = values[int(0.025 * RESAMPLES)], values[int(0.975 * RESAMPLES)]
    return Ratio(round(value, 3), round(low, 3), round(high, 3))


def noise(rounds: Sequence[Round]) -> float | None:
    """The relative difference between the medians of one server's odd and even rounds."""
    first, second = rounds[::2], rounds[1::2]
    found = ratio([one.throughput for one in first], [one.throughput for one in second])
    return None if found is None else round(abs(found.value - 1), 3)


def differ(these: Sequence[Round], those: Sequence[Round]) -> bool:
    """Whether two throughputs differ: by more than noise, and with 1 outside of the interval."""
    found = ratio([one.throughput for one in these], [one.throughput for one in those])
    floor = noise(those) or 0.0
    return found is not None and abs(found.value - 1) > floor and not found.low <= 1 <= found.high


def evidence(sample: LoadSample) -> dict[str, object]:
    """The evidence of a scenario; no P95 unless every request was answered."""
    again = share(sample.null_rounds, sample.null_again_rounds)
    return {
        "outcomes": sample.outcomes,
        "p95_ms": p95_ms(sample.rounds) if all_answered(sample) else None,
        "rounds_over_limit": rounds_over_limit(sample.rounds),
        "throughput": throughput(sample.rounds),
        "null_p95_ms": p95_ms(sample.null_rounds),
        "null_throughput": throughput(sample.null_rounds),
        "differs_from_null": differ(sample.rounds, sample.null_rounds),
        "share_of_null": share(sample.rounds, sample.null_rounds),
        "share_of_ceiling": share(sample.rounds, sample.ceiling_rounds),
        "times_the_floor": times(sample.rounds, sample.floor_rounds),
        "share_of_floor": share(sample.rounds, sample.floor_rounds),
        "hit_ratio": sample.hit_ratio,
        "noise": noise(sample.null_rounds),
        "null_against_itself": again,
        "null_differs_from_itself": differ(sample.null_rounds, sample.null_again_rounds) if again else None,
    }


def share(these: Sequence[Round], those: Sequence[Round]) -> dict[str, float] | None:
    """The ratio of two throughputs."""
    return as_dict(ratio([one.throughput for one in these], [one.throughput for one in those]))


def times(these: Sequence[Round], those: Sequence[Round]) -> dict[str, float] | None:
    """The ratio of two median latencies."""
    return as_dict(
        ratio(
            [one.p50_ms for one in these if one.p50_ms is not None],
            [one.p50_ms for one in those if one.p50_ms is not None],
        )
    )


def as_dict(found: Ratio | None) -> dict[str, float] | None:
    """A ratio as the report shows it."""
    return None if found is None else {"value": found.value, "low": found.low, "high": found.high}


def machine_is_able(samples: Sequence[LoadSample]) -> bool:
    """Whether the null server stayed well below the goal under the same loads."""
    seen = [p95_ms(sample.null_rounds) for sample in samples]
    return bool(seen) and all(value is not None and value < NULL_P95_LIMIT_MS for value in seen)
