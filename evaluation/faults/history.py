"""What was written when, and whether an answer shows it: right, stale or wrong."""

import threading
import time
from dataclasses import dataclass, field
from typing import Any

from evaluation.database.expected import difference

RIGHT, STALE, WRONG = "right", "stale", "wrong"


@dataclass(slots=True)
class Version:
    """A name of a product: by which process it was written, and when that was answered, if it ever was."""

    name: str
    process: int
    answered_s: float | None = None


@dataclass(slots=True)
class History:
    """All names of all products; only names are changed, by one writer."""

    rows: dict[int, dict[str, Any]]
    names: dict[int, list[Version]] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def begin(self, product: int, name: str, process: int) -> Version:
        """A write that is sent now; without an answer it may have been carried out or not."""
        with self.lock:
            first = [Version(self.rows[product]["name"], process, 0.0)]
            versions = self.names.setdefault(product, first)
            versions.append(version := Version(name, process))
            return version

    def end(self, version: Version) -> None:
        """The write was answered."""
        with self.lock:
            version.answered_s = time.monotonic()

    def judged(self, item: Any, product: int, process: int, began_s: float, grace_s: float) -> str:
        """Whether an answer of a process, to a request of that time, shows a product as it may be shown.

        What another process has written may be missing for `grace_s` seconds.
        """
        if not isinstance(item, dict) or product not in self.rows:
            return WRONG
        wanted = self.rows[product]
        with self.lock:
            versions = list(self.names.get(product, [Version(wanted["name"], process, 0.0)]))
        places = [place for place, one in enumerate(versions) if one.name == item.get("name")]
        if not places or difference(item, wanted | {"name": item["name"]}) is not None:
            return WRONG
        for later in versions[places[-1] + 1 :]:
            patience_s = 0.0 if later.process == process else grace_s
            if later.answered_s is not None and later.answered_s + patience_s < began_s:
                return STALE
        return RIGHT
