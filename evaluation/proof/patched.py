"""Applies one of our patches to the reference, and grades the result."""

from dataclasses import dataclass
from pathlib import Path

from evaluation.candidates.patches import apply_patch
from evaluation.criteria import SPECIFIED
from evaluation.errors import CandidateError, InfrastructureError
from evaluation.judge.criteria import judge_criteria
from evaluation.judge.outcomes import outcome_of
from evaluation.judge.verdicts import judge
from evaluation.measure.settings import Settings
from evaluation.pipeline import BASELINE, ENDINGS, REFERENCE, ROOT, measure
from evaluation.records import Outcome, Verdict
from evaluation.serving.workbench import Workshop

PATCHES = ROOT / "patches"


def patched(shop: Workshop, patch: Path) -> Path:
    """Copy the catalog that a patch is made for to a new folder, and apply the patch there."""
    folder = shop.folder / "patched" / patch.parent.name / patch.stem
    apply_patch(base_of(patch), patch.read_bytes(), folder)
    return folder


def base_of(patch: Path) -> Path:
    """The reference, or the baseline for a patch with the line `Base: repository_before`."""
    return BASELINE if header(patch, "Base", REFERENCE.name) == BASELINE.name else REFERENCE


def header(patch: Path, name: str, default: str = "") -> str:
    """The value of a header line `Name: value`, which stands above the diff."""
    lines = patch.read_text().partition("diff --git")[0].splitlines()
    return next((line.removeprefix(f"{name}: ") for line in lines if line.startswith(f"{name}: ")), default)


@dataclass(frozen=True, slots=True)
class Grading:
    """An outcome, the verdicts, and the specified criteria that are broken."""

    outcome: Outcome
    verdicts: tuple[Verdict, ...] = ()
    broken: tuple[str, ...] = ()


def graded(shop: Workshop, folder: Path, settings: Settings) -> Grading:
    """Grade a candidate; no verdicts when it could not be measured."""
    try:
        [measured] = measure(shop, [folder], settings, lambda text: None)
    except CandidateError as error:
        return Grading(Outcome(ENDINGS.get(type(error), "unresolved"), str(error)))
    except InfrastructureError as error:
        return Grading(Outcome("no_verdict", str(error)))
    verdicts = judge(measured)
    failed = [one for one in judge_criteria(measured) if one.passed is False and one.level == SPECIFIED]
    broken = tuple(one.criterion for one in failed)
    return Grading(outcome_of(measured, verdicts), verdicts, broken)
