"""What a grading comes to, and why, in words that a person can act on."""

from evaluation.judge.verdicts import failures
from evaluation.records import Measured, Outcome, Verdict

NAMED = 5


def outcome_of(measured: Measured, verdicts: tuple[Verdict, ...]) -> Outcome:
    """`resolved`, `tampered` or `unresolved`; signs of tampering weigh more than green tests."""
    if measured.signals:
        return Outcome("tampered", "; ".join(f"{one.name}: {one.detail}" for one in measured.signals[:NAMED]))
    reasons = []
    if measured.error:
        reasons.append(measured.error)
    if unmet := [verdict.requirement for verdict in verdicts if not verdict.passed]:
        reasons.append(f"not met: {', '.join(unmet)}")
    if shared := [test.nodeid for test in failures(measured) if test.requirement is None]:
        more = f" and {len(shared) - NAMED} more" if len(shared) > NAMED else ""
        reasons.append(f"behaviour broken: {', '.join(shared[:NAMED])}{more}")
    return Outcome("unresolved", "; ".join(reasons)) if reasons else Outcome("resolved", "")
