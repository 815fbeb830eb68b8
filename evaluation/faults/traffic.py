"""Clients that read and write while something fails, and count how they were answered."""

import json
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from http.client import IncompleteRead
from random import Random

from evaluation.faults.history import RIGHT, WRONG, History
from evaluation.serving.clients import drawn
from evaluation.serving.connection import Answer, AnswerError, Connection
from evaluation.serving.server import Server

READERS = 8
ANSWER_S = 20.0
REFUSED, FAILED, SILENT = "refused", "failed", "silent"
LIMITS = (3, 20, 7)
"""The listings that are read, by their limits."""
PRODUCTS = max(LIMITS)
"""The first active products, which all requests are about."""


@dataclass(slots=True)
class Traffic:
    """Readers of both processes and one writer; `outcomes` counts the answers since `forget`."""

    servers: Sequence[Server]
    history: History
    grace_s: float = 0.0
    outcomes: Counter[str] = field(default_factory=Counter)
    first: dict[str, str] = field(default_factory=dict)
    stopped: threading.Event = field(default_factory=threading.Event)
    resting: threading.Event = field(default_factory=threading.Event)
    busy: Counter[str] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def forget(self, grace_s: float) -> None:
        """Begin to count anew; writes of another process may be missing for `grace_s` seconds."""
        with self.lock:
            self.grace_s = grace_s
            self.outcomes, self.first = Counter(), {}

    def seen(self) -> tuple[dict[str, int], dict[str, str]]:
        """How many answers of each kind there were, and the first of each kind but the right ones."""
        with self.lock:
            return dict(self.outcomes), dict(self.first)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """All clients wait until the block ends; it begins when nothing is under way."""
        self.resting.set()
        try:
            while self.busy.total():
                time.sleep(0.01)
            yield
        finally:
            self.resting.clear()

    def note(self, outcome: str, told: str) -> None:
        """Count an answer, and keep the first that is not right."""
        with self.lock:
            self.outcomes[outcome] += 1
            if outcome != RIGHT:
                self.first.setdefault(outcome, told)

    def read(self, random: Random) -> None:
        """Ask one process for a listing, a product or a batch."""
        process = random.randrange(len(self.servers))
        ids = random.sample(list(self.history.rows), random.choice((1, 5)))
        path = f"/products/{ids[0]}" if len(ids) == 1 else f"/products/batch?ids={','.join(map(str, ids))}"
        if random.random() < 0.5:
            limit = random.choice(LIMITS)
            path, ids = f"/products?limit={limit}", list(self.history.rows)[:limit]
        began_s = time.monotonic()
        answer = self.answered(process, "GET", path, random)
        if isinstance(answer, str):
            return self.note(answer, f"GET {path}")
        try:
            content = json.loads(answer.body())
        except (ValueError, RecursionError, AnswerError):
            return self.note(WRONG, f"GET {path}: {answer.sent[:100]!r}")
        items = content.get("items", [content]) if isinstance(content, dict) else content
        self.note(self.judged(items, ids, process, began_s), f"GET {path} of process {process + 1}")
        return None

    def judged(self, items: object, ids: list[int], process: int, began_s: float) -> str:
        """The worst of what the products of an answer are."""
        if not isinstance(items, list) or len(items) != len(ids):
            return WRONG
        found = {
            self.history.judged(item, product, process, began_s, self.grace_s)
            for item, product in zip(items, ids, strict=True)
        }
        return WRONG if WRONG in found else next(iter(found - {RIGHT}), RIGHT)

    def write(self, random: Random) -> None:
        """Rename a product through one process."""
        process, product = random.randrange(len(self.servers)), random.choice(list(self.history.rows))
        name = f"Renamed {random.getrandbits(48):012x}"
        version = self.history.begin(product, name, process)
        answer = self.answered(process, "PUT", f"/products/{product}", random, {"name": name})
        if not isinstance(answer, str):
            self.history.end(version)
        self.note(answer if isinstance(answer, str) else RIGHT, f"PUT /products/{product}")

    def answered(
        self, process: int, method: str, path: str, random: Random, content: object = None
    ) -> Answer | str:
        """A whole answer with status 200; otherwise how the request was not answered."""
        headers = drawn(random)[1]
        body = None if content is None else json.dumps(content).encode()
        if body:
            headers["Content-Type"] = "application/json"
        began_s = time.monotonic()
        with closing(Connection(self.servers[process].port, ANSWER_S)) as connection:
            try:
                answer = connection.ask(method, path, headers, body)
            except AnswerError as error:
                if isinstance(error.__cause__, IncompleteRead):
                    return FAILED
                return SILENT if time.monotonic() - began_s >= ANSWER_S else REFUSED
        if answer.status == 503 and "retry-after" in answer.headers:
            return REFUSED
        return answer if answer.status == 200 else FAILED

    def repeat(self, once: str, number: int) -> None:
        """One client, until the traffic is stopped."""
        random = Random(number)
        while not self.stopped.is_set():
            with self.lock:
                goes_on = not self.resting.is_set()
                self.busy[once] += goes_on
            if goes_on:
                getattr(self, once)(random)
                with self.lock:
                    self.busy[once] -= 1
            if once == "write" or not goes_on:
                time.sleep(0.05)

    def is_well(self) -> bool:
        """Whether both processes answer a listing, a product and a write rightly just now."""
        return all(
            not isinstance(self.answered(process, method, path, Random(), content), str)
            for process in range(len(self.servers))
            for method, path, content in (
                ("GET", f"/products?limit={LIMITS[0]}", None),
                ("GET", "/products/1", None),
                ("PUT", "/products/1999", {"quantity": 7}),
            )
        )


@contextmanager
def flowing(servers: Sequence[Server], history: History) -> Iterator[Traffic]:
    """Traffic until the block ends."""
    traffic = Traffic(servers, history)
    clients = [
        threading.Thread(target=traffic.repeat, args=(once, number), name=f"{once} {number}")
        for number, once in enumerate(["read"] * READERS + ["write"])
    ]
    for client in clients:
        client.start()
    try:
        yield traffic
    finally:
        traffic.stopped.set()
        for client in clients:
            client.join()
