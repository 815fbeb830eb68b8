"""One random walk: requests, changes and pauses, each checked against the model."""

import json
import shlex
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import httpx

from evaluation.criteria import SPECIFIED, criteria
from evaluation.database.expected import difference
from tests.audit.bodies import relative
from tests.audit.tables import Listing
from tests.conftest import AUDITOR, Subject
from tests.passing_time import pass_time
from tests.walk.model import Model, Product, with_inventory, with_reviews
from tests.walk.world import World

SHRINKING_S = 6.0
HARDENED = "R08.11"
BEHIND = {
    "name": "update products set name = name || '!' where id = %s and length(name) < 150",
    "price": "update products set price = 1.23 where id = %s",
    "is_active": "update products set is_active = not is_active where id = %s",
    "quantity": "update inventory set quantity = quantity + 7 where product_id = %s",
    "review": (
        "insert into reviews (product_id, author_id, rating, title, body) values (%s, 3, 1, 'behind', '')"
    ),
    "delete": "delete from products where id = %s",
}
"""Changes of one product's rows that somebody else makes."""


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


class WalksAreOver(BaseException):
    """The time for walks is over; past Hypothesis, which would take an Exception for a failure."""


class Walk:
    """One walk over one process or two. Each step is a method of this name."""

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
            AUDITOR.wrong[criterion] = [message]
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
        known = {name: len(found) for name, found in AUDITOR.wrong.items()}
        response = self.subjects[which].http.request(method, target, json=body, headers=headers)
        for name, found in list(AUDITOR.wrong.items()):
            if len(found) > known.get(name, 0) and criteria()[name].level == SPECIFIED:
                self.fail(name, found[-1])
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
        query = [f"limit={limit}", f"is_active={str(active).lower()}"]
        query += [f"category_id={category}"] if category else []
        if active and spelling == 1:
            query.remove("is_active=true")
        if spelling == 2:
            query.reverse()
        listing = Listing(limit, category, active)
        self.read_page(which, f"/products?{'&'.join(query)}", listing, encoding, revalidate=revalidate)

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
    ) -> None:
        """A page against the model; its `next` is kept for later."""
        content = self.read(which, target, encoding, revalidate=revalidate)
        self.check(self.promise(), self.model.wrong_page(listing, content) if content else "answered 404")
        self.pages = [*self.pages[-3:], (target, listing)]
        self.shown += [one["id"] for one in content["items"][:2]]
        if content["next"]:
            behind = Listing(
                listing.limit, listing.category_id, listing.is_active, content["items"][-1]["id"]
            )
            self.links = [*self.links[-8:], (relative(content["next"]), behind)]

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

    def create(self, which: int, category: int, name: str, optional: dict[str, Any], price: str) -> None:
        """A new product, some of its fields left to their defaults."""
        sent = {"name": name, "price": price, "category_id": category, **optional}
        response = self.send(which, "POST", "/products", sent)
        self.check("API.5", None if response.status_code == 201 else f"POST answered {response.status_code}")
        seen = response.json()
        number = seen["id"]
        self.made.append(number)
        bare = {
            "id": number,
            "created_at": seen["created_at"],
            "description": "",
            "is_active": True,
            "inventory": None,
        }
        wanted = self.changed(with_reviews(bare, []), {"quantity": 0, "reserved": 0, **sent})
        self.model.write(number, wanted)
        self.check("API.5", difference(seen, wanted))
        self.check("API.5", difference(self.world.current([number]).get(number), wanted))

    def changed(self, product: Product, fields: dict[str, Any]) -> Product:
        """A product after a PUT of these fields."""
        product = with_inventory(
            product, **{n: v for n, v in fields.items() if n in ("quantity", "reserved")}
        )
        plain = {n: v for n, v in fields.items() if n in ("name", "description", "is_active")}
        if "price" in fields:
            plain["price"] = f"{float(fields['price']):.2f}"
        if "category_id" in fields:
            plain["category"] = self.model.categories[fields["category_id"]]
        return {**product, **plain}

    def change(self, which: int, pick: int, fields: dict[str, Any]) -> None:
        """A PUT of any fields, also of none."""
        number = self.product(pick)
        known = self.model.newest.get(number)
        response = self.send(which, "PUT", f"/products/{number}", fields)
        status = 200 if known else 404
        self.check(
            "API.5", None if response.status_code == status else f"PUT answered {response.status_code}"
        )
        if known:
            wanted = self.changed(known, fields)
            self.model.write(number, wanted)
            self.check("API.5", difference(response.json(), wanted))
            self.check("API.5", difference(self.world.current([number]).get(number), wanted))

    def delete(self, which: int, pick: int) -> None:
        """A product goes, with all that belongs to it."""
        number = self.product(pick)
        status = 204 if number in self.model.newest else 404
        response = self.send(which, "DELETE", f"/products/{number}")
        self.check(
            "API.5", None if response.status_code == status else f"DELETE answered {response.status_code}"
        )
        if status == 204:
            self.model.write(number, None)
            self.check("API.5", "the row is still there" if self.world.current([number]) else None)

    def review(self, which: int, pick: int, rating: int, author: int) -> None:
        """A review of a product."""
        number = self.product(pick)
        known = self.model.newest.get(number)
        sent = {"author_id": author, "rating": rating, "title": "t", "body": "b"}
        response = self.send(which, "POST", f"/products/{number}/reviews", sent)
        status = 201 if known else 404
        self.check(
            "API.5", None if response.status_code == status else f"POST answered {response.status_code}"
        )
        if known:
            seen = response.json()
            wanted = {"rating": rating, "title": "t", "body": "b", "author": self.model.users[author]}
            wanted |= {"id": seen["id"], "created_at": seen["created_at"]}
            self.check("API.5", difference(seen, wanted))
            self.model.write(number, with_reviews(known, [*known["reviews"], wanted]))

    def write_wrongly(self, which: int, pick: int, wrong: tuple[str, str, dict[str, Any]]) -> None:
        """A write that is refused changes nothing."""
        method, path, body = wrong
        number = self.product(pick)
        response = self.send(which, method, path.format(number), body)
        refused = response.status_code in (404, 409, 422)
        self.check("API.1", None if refused else f"a wrong write was answered {response.status_code}")
        stored = self.world.current([number]).get(number)
        self.check("API.5", difference(stored, self.model.newest.get(number), f"product {number}"))

    def change_behind(self, pick: int, kind: str) -> None:
        """Somebody else changes a row of the tables."""
        number = self.product(pick)
        if number not in self.model.newest:
            return
        statement = BEHIND[kind]
        self.steps.append(f"psql -c {shlex.quote(statement.replace('%s', str(number)))}")
        self.world.change(statement, number)
        self.model.change_behind(number, self.world.current([number]).get(number))

    def wait(self, seconds: int) -> None:
        """Time passes, for the processes and for Redis."""
        if self.world.clock_moves:
            self.steps.append(f"sleep {seconds}")
            pass_time(self.subjects, seconds)
            self.model.advanced_s += seconds

    def hang_up(self) -> None:
        """Redis closes every connection; new ones are welcome."""
        if self.budget.cut:
            self.steps.append("redis-cli CLIENT KILL TYPE normal")
            self.budget.cut()

    def at_once(self, pick: int, names: list[str]) -> None:
        """Several clients change and read one product at the same time; afterwards the rows decide."""
        number = self.product(pick)
        if number not in self.model.newest:
            return
        known = self.model.newest[number]
        active = str(known["is_active"]).lower()
        listing = f"/products?limit=3&category_id={known['category']['id']}&is_active={active}"
        self.steps.append(f"at once: PUT names {names} to /products/{number}, GET it and GET {listing}")

        def put(order: int, name: str) -> int:
            subject = self.subjects[order % len(self.subjects)]
            return subject.http.put(f"/products/{number}", json={"name": name}).status_code

        def get(order: int, target: str) -> int:
            return self.subjects[order % len(self.subjects)].http.get(target).status_code

        with ThreadPoolExecutor(8) as executor:
            writes = [executor.submit(put, order, name) for order, name in enumerate(names)]
            reads = [
                executor.submit(get, order, target)
                for order in (0, 1)
                for target in (listing, f"/products/{number}")
            ]
            statuses = {one.result() for one in (*writes, *reads)}
        self.check("API.1", None if statuses == {200} else f"answered {sorted(statuses)}")
        stored = self.world.current([number])[number]
        self.model.write(number, stored)
        wanted = [{**known, "name": name} for name in names]
        wrong = [difference(stored, one) for one in wanted]
        self.check("API.5", wrong[-1] if all(wrong) else None)
