"""What measurements beside the suite say about criteria, and how several answers become one."""

from collections.abc import Iterable

from evaluation.judge import cpu
from evaluation.judge.timed import TIMED
from evaluation.records import Measured


def verdicts_of_measurements(criterion: str, measured: Measured) -> list[bool | None]:
    """What load, CPU time and answers beside the suite say about a criterion; nothing when they say nothing.

    None stands for a measurement that decides nothing on this machine.
    """
    found: list[bool | None] = []
    if criterion in TIMED and (timed := TIMED[criterion](measured.load)).is_judged:
        found.append(timed.passed)
    if criterion == cpu.CRITERION and measured.cpu:
        found.append(cpu.is_cheap(measured.cpu))
    if any(one.criterion == criterion for one in measured.seen_broken):
        found.append(False)
    return found


def together(answers: Iterable[bool | None]) -> bool | None:
    """False when one answer is, True when all are; None without an answer, or when one is open."""
    found = set(answers)
    if False in found:
        return False
    return None if None in found or not found else True
