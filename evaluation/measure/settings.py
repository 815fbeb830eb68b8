"""How candidates are measured, and the conditions that two measurements must share to be compared."""

from collections.abc import Callable
from dataclasses import dataclass

from evaluation.candidates import store
from evaluation.database.dataset import SIZES
from evaluation.serving import sandbox

Progress = Callable[[str], None]
"""Takes one line about what is being done."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How candidates are measured."""

    services: str = "embedded"
    size: str = "standard"
    with_load: bool = True
    fresh: bool = False
    with_growth: bool = False

    def conditions(self) -> dict[str, str]:
        """What two measurements must have in common to be compared, as the report notes it."""
        return {
            "harness": store.harness_digest(),
            "machine": store.machine_digest(self.services),
            "services": self.services,
            "size": self.size,
            "isolation": sandbox.kind(),
        }

    @property
    def products(self) -> int:
        """Products in the measured dataset."""
        return SIZES[self.size]
