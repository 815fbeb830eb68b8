"""The settings of a measurement, and the conditions under which two measurements can be compared."""

from collections.abc import Callable
from dataclasses import dataclass

from evaluation.candidates import store
from evaluation.database.dataset import SIZES
from evaluation.serving import sandbox

Progress = Callable[[str], None]
"""A function that takes one line of progress."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Which services and dataset to use, and what to measure."""

    services: str = "embedded"
    size: str = "standard"
    with_load: bool = True
    fresh: bool = False
    with_growth: bool = False

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
    def products(self) -> int:
        """The number of products in the measured dataset."""
        return SIZES[self.size]
