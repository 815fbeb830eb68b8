"""The outcome of a grading, with a reason that a person can act on."""

from evaluation.judge import cpu
from evaluation.judge.verdicts import failures
from evaluation.records import Measured, Outcome, Verdict

NAMED = 5
NAMED_BROKEN = 2


def outcome_of(measured: Measured, verdicts: tuple[Verdict, ...]) -> Outcome:
    """`resolved`, `tampered`, `unresolved` or `no_verdict`; signs of tampering outweigh passed tests."""
    if measured.signals:
        return Outcome("tampered", "; ".join(f"{one.name}: {one.detail}" for one in measured.signals[:NAMED]))
    if measured.error:
        # Nothing was measured, so every test is an error, and to name them would say nothing more.
        return Outcome("unresolved", measured.error)
    reasons = []
    if unmet := [verdict.requirement for verdict in verdicts if verdict.passed is False]:
        reasons.append(f"not met: {', '.join(unmet)}")
    if cpu.is_cheap(measured.cpu) is False:
        reasons += [f"{cpu.CRITERION}: {cpu.told(cost)}" for cost in measured.cpu]
    if shared := [test.nodeid for test in failures(measured) if test.requirement is None]:
        more = f" and {len(shared) - NAMED} more" if len(shared) > NAMED else ""
        reasons.append(f"behaviour broken: {', '.join(shared[:NAMED])}{more}")
    reasons += [f"{one.criterion}: {one.message}" for one in measured.seen_broken[:NAMED_BROKEN]]
    if (others := len(measured.seen_broken) - NAMED_BROKEN) > 0:
        reasons.append(f"and {others} more wrong answers")
    if reasons:
        return Outcome("unresolved", "; ".join(reasons))
    if unknown := [verdict.requirement for verdict in verdicts if verdict.passed is None]:
        return Outcome("no_verdict", f"this machine is too slow or too busy to judge {', '.join(unknown)}")
    return Outcome("resolved", "")
