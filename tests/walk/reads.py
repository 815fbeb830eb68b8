"""The reads of a random walk, each checked against the model."""

import json
import shlex
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from evaluation.criteria import SPECIFIED, criteria
from tests.audit.bodies import relative
from tests.audit.tables import Listing
from tests.conftest import AUDITOR, Subject
from tests.walk.model import Model
from tests.walk.world import World

SHRINKING_S = 6.0
HARDENED = "R08.11"


@dataclass(slots=True)
class Budget:
    """How long walks may take from their first step on, and the smallest failure so far."""

    seconds: float
    cut: Callable[[], None] | None = None
    steps_done: int = 0
    shortest: list[str] = field(default_factory=list)
    failure: str = ""
    ends_at: float | None = None

    def begin(self) -> None:
        """The time runs from the first call of this on."""
        self.ends_at = self.ends_at or time.monotonic() + self.seconds

    def is_over(self) -> bool:
        """Whether nothing more is to be done."""
        return self.ends_at is not None and time.monotonic() > self.ends_at


Step = tuple[str, dict[str, Any]]
"""The name of a method of Walk, and its arguments."""
Place = tuple[int, bool]
"""The category and the activity of a product: the listings it stands in."""


class WalksAreOver(BaseException):
    """The time for walks is over; past Hypothesis, which would take an Exception for a failure."""


class Reads:
    """The reads of a walk over one process or two. Each step is a method of this name."""

    def __init__(self, world: World, budget: Budget, model: Model, subjects: list[Subject]) -> None:
        self.world = world
        self.budget = budget
        self.model = model
        self.subjects = subjects
        self.steps: list[str] = []
        self.links: list[tuple[str, Listing]] = []
        self.pages: list[tuple[str, Listing]] = []
        self.shown: list[int] = []
        self.tags: dict[str, tuple[str, Any]] = {}
        self.made: list[int] = []

    def take(self, steps: Sequence[Step]) -> None:
        """Take all steps, as long as there is time."""
        self.budget.begin()
        for name, arguments in steps:
            if name == "nothing":
                continue
            if self.budget.is_over():
                raise WalksAreOver
            self.budget.steps_done += 1
            getattr(self, name)(**arguments)

    def fail(self, criterion: str, wrong: str) -> None:
        """Keep what is wrong under its criterion, and end this walk with the steps that led to it.

        Over two processes everything is hardening.
        """
        criterion = HARDENED if len(self.subjects) > 1 else criterion
        lines = "\n".join(f"  {number + 1:2}. {step}" for number, step in enumerate(self.steps))
        message = f"{criterion}: {wrong}\nafter these steps on the seeded rows:\n{lines}"
        if not self.budget.shortest:
            self.budget.ends_at = time.monotonic() + SHRINKING_S
        if not self.budget.shortest or len(self.steps) < len(self.budget.shortest):
            self.budget.shortest, self.budget.failure = list(self.steps), message
            AUDITOR.wrong[criterion].clear()
            AUDITOR.wrong[criterion].append(message)
        raise AssertionError(message)

    def check(self, criterion: str, wrong: str | None) -> None:
        """Count a check, and fail where something is wrong."""
        AUDITOR.checked[criterion] += 1
        if wrong:
            self.fail(criterion, wrong)

    def send(
        self, which: int, method: str, target: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> httpx.Response:
        """One request, noted as a step; whatever the auditor finds in it ends the walk."""
        which %= len(self.subjects)
        words = ["curl", "-i", "-X", method, *(["-d", json.dumps(body)] if body is not None else [])]
        for name, value in (headers or {}).items():
            words += ["-H", f"{name}: {value}"]
        self.steps.append(shlex.join([*words, f"http://SERVER_{which + 1}{target}"]))
        known = AUDITOR.broken.copy()
        response = self.subjects[which].http.request(method, target, json=body, headers=headers)
        for name in AUDITOR.broken - known:
            if criteria()[name].level == SPECIFIED:
                self.fail(name, AUDITOR.wrong[name][-1])
        return response

    def read(self, which: int, target: str, encoding: str, *, revalidate: bool) -> Any:
        """The content of a GET, by way of its tag where the client already has it; None for a 404."""
        headers = {"accept-encoding": encoding}
        tag, known = self.tags.get(target, ("", None)) if revalidate else ("", None)
        response = self.send(which, "GET", target, headers=headers | ({"if-none-match": tag} if tag else {}))
        if response.status_code == 304:
            return known
        if response.status_code == 404:
            return None
        self.check("API.1", None if response.status_code == 200 else f"answered {response.status_code}")
        content = response.json()
        if new_tag := response.headers.get("etag"):
            self.tags[target] = (new_tag, content)
        return content

    def promise(self) -> str:
        """The criterion that a wrong answer breaks now."""
        if self.model.writes:
            return "API.6"
        return "R08.3" if len(self.model.versions) > 1 else "API.2"

    def product(self, pick: int) -> int:
        """A product to work on: one that was shown or made a moment ago, or one of a few."""
        few = [*self.shown[-4:], *self.made[-2:], *self.world.focus]
        return few[pick % len(few)]

    def read_listing(
        self,
        which: int,
        limit: int,
        category: int | None,
        active: bool,
        encoding: str,
        revalidate: bool,
        spelling: int,
    ) -> None:
        """The first page of a listing."""
        listing = Listing(limit, category, active)
        self.read_page(which, target_of(listing, spelling), listing, encoding, revalidate=revalidate)

    @contextmanager
    def watched(self, by: int, watch: str, *places: Place) -> Iterator[None]:
        """Read the listings that a write is about to change, so that they are kept, and again afterwards."""
        pages: list[tuple[str, Listing]] = []
        for category, active in dict.fromkeys(places) if watch else ():
            limit = 1 if watch == "behind" else 3
            listing = Listing(limit, None if watch == "all" else category, active)
            pages.append((target_of(listing), listing))
            link = self.read_page(by, *pages[-1], "gzip", revalidate=False)
            if watch == "behind" and link:
                pages.append(link)
                self.read_page(by, *link, "gzip", revalidate=False)
        yield
        for page in pages:
            self.read_page(by, *page, "gzip", revalidate=True)

    def read_again(self, which: int, pick: int, encoding: str, revalidate: bool) -> None:
        """A page that was read a moment ago."""
        if self.pages:
            target, listing = self.pages[-1 - pick % len(self.pages)]
            self.read_page(which, target, listing, encoding, revalidate=revalidate)

    def follow_next(self, which: int, pick: int, encoding: str, revalidate: bool) -> None:
        """A page that another one has pointed to."""
        if self.links:
            target, listing = self.links[-1 - pick % len(self.links)]
            self.read_page(which, target, listing, encoding, revalidate=revalidate)

    def read_page(
        self, which: int, target: str, listing: Listing, encoding: str, *, revalidate: bool
    ) -> tuple[str, Listing] | None:
        """A page against the model; its `next` is kept for later, and returned."""
        content = self.read(which, target, encoding, revalidate=revalidate)
        self.check(self.promise(), self.model.wrong_page(listing, content) if content else "answered 404")
        self.pages = [*self.pages[-3:], (target, listing)]
        self.shown += [one["id"] for one in content["items"][:2]]
        if not content["next"]:
            return None
        behind = Listing(listing.limit, listing.category_id, listing.is_active, content["items"][-1]["id"])
        link = (relative(content["next"]), behind)
        self.links = [*self.links[-8:], link]
        return link

    def read_product(self, which: int, pick: int, encoding: str, revalidate: bool) -> None:
        """One product, which may be gone."""
        number = self.product(pick)
        seen = self.read(which, f"/products/{number}", encoding, revalidate=revalidate)
        self.check(self.promise(), self.model.wrong_product(number, seen))

    def read_batch(self, which: int, picks: list[int], unknown: bool) -> None:
        """Some products at once, in this order, gone ones and unknown ones among them."""
        ids = [self.product(pick) for pick in picks] + ([987_654_321] if unknown else [])
        content = self.read(which, f"/products/batch?ids={','.join(map(str, ids))}", "gzip", revalidate=False)
        seen = {one["id"]: one for one in content}
        for number in ids:
            self.check(self.promise(), self.model.wrong_product(number, seen.get(number)))
        order = [one["id"] for one in content]
        wanted = [number for number in ids if number in seen]
        self.check("R13.2", f"ids are {order}, not {wanted}" if order != wanted else None)


def target_of(listing: Listing, spelling: int = 0) -> str:
    """The first page of a listing; 1 leaves out a default, 2 turns the order of the parameters around."""
    query = [f"limit={listing.limit}", f"is_active={str(listing.is_active).lower()}"]
    query += [f"category_id={listing.category_id}"] if listing.category_id else []
    if listing.is_active and spelling == 1:
        query.remove("is_active=true")
    return f"/products?{'&'.join(query[::-1] if spelling == 2 else query)}"
