"""The workers of a scheduler: which of them grade for us, and why the others do not."""

import time
from typing import Any

from distributed import Client

from evaluation.cluster.alike import Alike
from evaluation.cluster.worker import FACTS
from evaluation.errors import UsageError
from evaluation.measure.settings import Progress

WAIT_S = 15.0
"""A worker needs a few seconds to start."""
POLL_S = 1.0
START = "start one with: .venv/bin/python -m evaluation.cluster.worker ADDRESS"


def connected_workers(client: Client) -> dict[str, dict[str, Any]]:
    """What the scheduler knows of each worker, asked for now: the client's own copy may hold none of them."""
    scheduler: Any = client.scheduler
    return dict(client.sync(scheduler.identity, n_workers=-1)["workers"])


class Workers:
    """The workers that are connected now; each one that comes, goes or is refused is told once."""

    def __init__(self, client: Client, own: Alike, progress: Progress) -> None:
        self.client = client
        self.own = own
        self.progress = progress
        self.refused: dict[str, str] = {}
        self.isolations: dict[str, str] = {}

    def count(self) -> int:
        """How many workers grade for us at this moment."""
        found = connected_workers(self.client)
        for address in self.isolations.keys() - found.keys():
            del self.isolations[address]
            self.progress(f"worker {address} has left")
        for address in found.keys() - self.isolations.keys() - self.refused.keys():
            self.look_at(address, found[address].get(FACTS))
        return len(self.isolations)

    def look_at(self, address: str, facts: dict[str, Any] | None) -> None:
        """Tell whether a new worker grades for us."""
        reasons = self.own.differences(facts) if facts else ["it is none of this project's"]
        if facts and not reasons:
            self.isolations[address] = facts["isolation"]
            self.progress(f"worker {address} has joined, isolation {facts['isolation']}")
        else:
            self.refused[address] = f"worker {address} is refused: {'; '.join(reasons)}"
            self.progress(self.refused[address])

    def wait(self) -> None:
        """Wait for the first one; UsageError, with the reasons, when none grades for us after WAIT_S."""
        deadline = time.monotonic() + WAIT_S
        while not self.count():
            if time.monotonic() > deadline:
                reasons = "\n".join([*self.refused.values(), START])
                raise UsageError(f"no worker of this scheduler can grade for us\n{reasons}")
            time.sleep(POLL_S)
