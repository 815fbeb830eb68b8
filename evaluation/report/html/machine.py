"""Where a report was made: the machine, what a candidate could reach, and how far timings can be trusted."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from evaluation.judge import timings
from evaluation.records import LoadSample
from evaluation.report.html.extent import Extent, first
from evaluation.report.html.names import SIDES, scenario
from evaluation.restored import load_sample_from

ISOLATION = ("isolation", "could_read", "services", "size", "seed")
"""The entries of the environment that say under which conditions a candidate ran."""


@dataclass(frozen=True, slots=True)
class Noise:
    """How far one scenario can be trusted: the spread of the P95 of its rounds, and the null server's."""

    scenario: str
    side: str
    rounds: int
    p95: str
    null_p95: str
    null_noise: str
    client_cpu: str


@dataclass(frozen=True, slots=True)
class Machine:
    """Facts by name, and the noise of the timings."""

    isolation: list[tuple[str, str]]
    facts: list[tuple[str, str]]
    noise: list[Noise]
    itself: list[str]
    signals: list[tuple[str, str]]
    minute: list[str]


def machine(report: dict[str, Any], extent: Extent) -> Machine:
    """The environment of a report."""
    loads = [
        (SIDES[side], load_sample_from(sample)) for side in SIDES for sample in report["load"][side].values()
    ]
    return Machine(
        [(words(name), report["environment"][name]) for name in ISOLATION if name in report["environment"]],
        first(facts(report), extent),
        [noise(side, sample) for side, sample in loads],
        [line for side, sample in loads if (line := itself(side, sample))],
        first(signals(report), extent),
        [line for side, who in SIDES.items() if (line := minute(who, report["results"][side]))],
    )


def facts(report: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """What a report is called, when it was made, and everything else that is known of the machine."""
    for name in ("run_id", "started_at", "finished_at"):
        yield words(name), report[name]
    for name, value in report["environment"].items():
        if value and name not in ISOLATION:
            yield words(name), value


def words(name: str) -> str:
    """The name of an entry, as words."""
    return name.replace("_", " ")


def signals(report: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Every sign of tampering, by the side that showed it."""
    for side, who in SIDES.items():
        for one in report["results"][side].get("signals", ()):
            yield f"{who}: {one['name']}", one["detail"]


def noise(side: str, sample: LoadSample) -> Noise:
    """The spread of a scenario."""
    spread = timings.noise(sample.null_rounds)
    cpu = [one.client_cpu for one in sample.rounds]
    return Noise(
        scenario(sample.scenario, sample.clients),
        side,
        len(sample.rounds),
        p95(sample),
        p95_of_null(sample),
        "-" if spread is None else f"{spread:.1%}",
        f"{max(cpu, default=0.0):.2f}",
    )


def p95(sample: LoadSample) -> str:
    """The least, the middle and the largest P95 of the rounds."""
    values = [one.p95_ms for one in sample.rounds if one.p95_ms is not None]
    middle = timings.p95_ms(sample.rounds)
    if not values or middle is None:
        return "-"
    return f"{min(values):,.1f} / {middle:,.1f} / {max(values):,.1f}"


def p95_of_null(sample: LoadSample) -> str:
    """The P95 of the null server under the same load."""
    found = timings.p95_ms(sample.null_rounds)
    return "-" if found is None else f"{found:,.1f}"


def itself(side: str, sample: LoadSample) -> str:
    """How the null server compares with itself, where it was timed twice."""
    found = timings.share(sample.null_rounds, sample.null_again_rounds)
    if found is None:
        return ""
    differs = timings.differ(sample.null_rounds, sample.null_again_rounds)
    verdict = "differs from itself: do not trust small differences" if differs else "no difference"
    where = f"{scenario(sample.scenario, sample.clients)}, beside the {side}"
    span = f"{found['low']:.2f} to {found['high']:.2f}"
    return (
        f"{where}: the null server answered {found['value']:.2f} times as much as itself ({span}), {verdict}."
    )


def minute(who: str, side: dict[str, Any]) -> str:
    """What was seen in a minute that really passed."""
    found = side.get("real_minute")
    if not found:
        return ""
    seen = len(found["findings"])
    findings = f"{seen or 'no'} finding{'' if seen == 1 else 's'}"
    return f"{who}: {found['requests']} requests in {found['seconds']:.0f} s, {findings}."
