"""The settings of a measurement, and the conditions under which two measurements can be compared."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field

from evaluation.candidates import store
from evaluation.database.dataset import SIZES
from evaluation.serving import sandbox

Progress = Callable[[str], None]
"""A function that takes one line of progress."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Which services and dataset to use, and what to measure.

    The seed chooses the order of the suite's tests and their random examples, the same for every candidate.
    """

    services: str = "embedded"
    size: str = "standard"
    with_load: bool = True
    fresh: bool = False
    with_growth: bool = False
    seed: int = field(default_factory=lambda: secrets.randbelow(2**32))

    def conditions(self) -> dict[str, str]:
        """What two measurements must have in common to be compared; the report contains it."""
        return {
            "harness": store.harness_digest(),
            "machine": store.machine_digest(self.services),
            "services": self.services,
            "size": self.size,
            "isolation": sandbox.kind(),
        }

    @property
    def profile(self) -> str:
        """The name of the profile that measures this."""
        return "full" if self.with_load else "scale" if self.with_growth else "quick"

    @property
    def products(self) -> int:
        """The number of products in the measured dataset."""
        return SIZES[self.size]
