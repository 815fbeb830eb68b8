"""Judges what a warm answer costs the server in CPU time (R01.2), beside what ready bytes cost."""

from collections.abc import Sequence

from evaluation.records import CpuCost

CRITERION = "R01.2"
LARGEST_RATIO = 40.0
"""500 answers within 200 ms leave one process 0.4 ms each, and ready bytes cost it about 25 us on a quick
machine. Solutions that send ready bytes were seen at 8 to 22, those that make answers anew at 87 and more;
with one client, which pays for waking up the server too, at 3 to 8, and at 51 and more.
A ratio of the same run means the same on a slow machine."""


def is_cheap(costs: Sequence[CpuCost]) -> bool | None:
    """R01.2: every warm page was answered, and cheaply enough; None when it was not measured."""
    return all(is_answered(one) and holds(one.ratio) for one in costs) if costs else None


def holds(found: float | None) -> bool:
    """Whether a ratio is small enough; without an answer there is none."""
    return found is not None and found <= LARGEST_RATIO


def is_answered(cost: CpuCost) -> bool:
    """Whether every request got 200 or 304."""
    return bool(cost.outcomes) and not set(cost.outcomes) - {"200", "304"}


def told(cost: CpuCost) -> str:
    """The figures in words, and what was answered when not all was."""
    found = cost.ratio
    figures = "no warm answer"
    if found is not None:
        figures = f"{cost.candidate_us:.0f} us of CPU for a warm answer{clients_told(cost)}, "
        figures += f"{found:.1f} times the null server's {cost.null_us:.0f} us"
    answers = ", ".join(f"{count} x {outcome}" for outcome, count in cost.outcomes.items())
    return figures if is_answered(cost) else f"{figures} ({answers})"


def clients_told(cost: CpuCost) -> str:
    """How many asked at a time; older reports do not tell it."""
    if cost.clients is None:
        return ""
    return " (1 client)" if cost.clients == 1 else f" ({cost.clients} clients)"


def evidence(cost: CpuCost) -> dict[str, object]:
    """The evidence of one scenario."""
    found = cost.ratio
    return {
        "outcomes": cost.outcomes,
        "candidate_us": cost.candidate_us,
        "null_us": cost.null_us,
        "clients": cost.clients,
        "times_the_null_server": None if found is None else round(found, 2),
    }
