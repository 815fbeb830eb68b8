"""How long answers took under load: for each scenario one curve for every server, and the figures."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import log10
from statistics import median
from typing import Any

from markupsafe import Markup

from evaluation.measure.histograms import decoded
from evaluation.report.html.charts import Axis, Series, curves, logarithmic_marks
from evaluation.report.html.names import SIDES, TARGETS, scenario

Point = tuple[float, float]
"""The place of a percentile on the axis, and ms."""
ROUNDS = {"null": "null_rounds", "ceiling": "ceiling_rounds", "floor": "floor_rounds"}
PERCENTILES = (50.0, 95.0, 99.0)
TICKS = 5
"""So many points are drawn for each halving of the distance to 100 %."""
MARKS = ((0.0, "0 %"), (1.0, "90 %"), (2.0, "99 %"), (3.0, "99.9 %"), (4.0, "99.99 %"))
KEPT = "all answers of all rounds, in histograms with two significant digits"
NOT_KEPT = "medians of the rounds' P50, P95 and P99, because this report keeps no histograms"


@dataclass(frozen=True, slots=True)
class Figures:
    """What one server answered: percentiles in ms, and answers a second."""

    name: str
    p50: str
    p95: str
    p99: str
    longest: str
    rate: str


@dataclass(frozen=True, slots=True)
class Scenario:
    """One scenario with its curves and figures; no chart where nobody answered."""

    title: str
    chart: Markup | None
    figures: list[Figures]
    outcomes: list[str]


@dataclass(frozen=True, slots=True)
class Latency:
    """All scenarios, what the curves are made of, and the looks that occur."""

    scenarios: list[Scenario]
    made_of: str
    looks: dict[str, str]


@dataclass(frozen=True, slots=True)
class Answers:
    """The answers of one server in a scenario: its rounds, and its histogram where one was kept."""

    look: str
    rounds: list[dict[str, Any]]
    histogram: Any

    def points(self) -> list[Point]:
        """The curve, from the histogram if there is one."""
        if self.histogram is not None:
            return list(points_of(self.histogram))
        found = [(share, self.middle(f"p{share:.0f}_ms")) for share in PERCENTILES]
        return [(place(share), ms) for share, ms in found if ms]

    def middle(self, name: str) -> float | None:
        """The median of one figure over the rounds; None when a round has none."""
        values = [one[name] for one in self.rounds]
        return median(values) if values and None not in values else None


def latency(report: dict[str, Any]) -> Latency:
    """All scenarios of a report, in the order in which they were measured."""
    load = report["load"]
    names = list(dict.fromkeys([*load["after"], *load["before"]]))
    found = [(name, answers_to(load, name)) for name in names]
    is_kept = any(one.histogram is not None for _, answers in found for one in answers)
    seen = {one.look for _, answers in found for one in answers}
    return Latency(
        [scenario_of(load, name, answers) for name, answers in found],
        KEPT if is_kept else NOT_KEPT,
        {look: name for look, name in TARGETS.items() if look in seen},
    )


def answers_to(load: dict[str, Any], name: str) -> list[Answers]:
    """Everything that was timed in a scenario: both sides, and what they are compared with."""
    found = [
        Answers(side, load[side][name]["rounds"], histogram(load[side][name], "candidate"))
        for side in ("after", "before")
        if name in load[side]
    ]
    sample = load["after"].get(name) or load["before"][name]
    found += [Answers(look, sample.get(kind, []), histogram(sample, look)) for look, kind in ROUNDS.items()]
    return [one for one in found if one.rounds]


def histogram(sample: dict[str, Any], target: str) -> Any:
    """The latencies of a target as they were kept; None in an older report, or where nobody answered."""
    return decoded(sample.get("latencies", {}).get(target))


def points_of(histogram: Any) -> Iterator[Point]:
    """The percentiles of a histogram as far as they are more than one answer, the longest last."""
    last = log10(histogram.total_count)
    for step in histogram.get_percentile_iterator(TICKS):
        share = step.percentile_level_iterated_to
        if 0 < share < 100 and place(share) < last:
            yield place(share), step.value_iterated_to / 1000
    yield last, histogram.get_max_value() / 1000


def place(share: float) -> float:
    """The place of a percentile on an axis on which 90 %, 99 % and 99.9 % are equally far from each other."""
    return -log10(1 - share / 100)


def scenario_of(load: dict[str, Any], name: str, answers: list[Answers]) -> Scenario:
    """A scenario with its chart."""
    sample = load["after"].get(name) or load["before"][name]
    title = scenario(name, sample["clients"])
    series = [Series(one.look, points) for one in answers if (points := one.points())]
    return Scenario(
        title,
        drawn(title, series),
        [figures(one) for one in answers],
        [f"{who}: {outcomes(load[side][name])}" for side, who in SIDES.items() if name in load[side]],
    )


def outcomes(sample: dict[str, Any]) -> str:
    """How often each answer came."""
    return ", ".join(f"{count:,} x {what}" for what, count in sample["outcomes"].items())


def drawn(title: str, series: list[Series]) -> Markup | None:
    """The curves of a scenario."""
    if not series:
        return None
    ms = [y for one in series for _, y in one.values]
    farthest = max(x for one in series for x, _ in one.values)
    marks = [mark for mark in MARKS if mark[0] <= max(2.0, farthest)]
    return curves(
        f"{title}: latency in ms by share of answers; the table below has the figures",
        Axis("share of the answers", marks),
        Axis("latency in ms", logarithmic_marks(ms, "{:,g}".format)),
        series,
    )


def figures(one: Answers) -> Figures:
    """The figures of a server: medians of its rounds, and the longest answer of all."""
    longest = [found["max_ms"] for found in one.rounds if found["max_ms"] is not None]
    rate = one.middle("throughput")
    return Figures(
        TARGETS[one.look],
        in_ms(one.middle("p50_ms")),
        in_ms(one.middle("p95_ms")),
        in_ms(one.middle("p99_ms")),
        in_ms(max(longest, default=None)),
        f"{rate:,.0f}" if rate else "-",
    )


def in_ms(value: float | None) -> str:
    """A latency, with digits after the point where it is short."""
    if value is None:
        return "-"
    return f"{value:,.2f}" if value < 10 else f"{value:,.1f}" if value < 100 else f"{value:,.0f}"
