"""One random walk: reads, writes, changes behind the API and pauses, each checked against the model."""

import shlex
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from evaluation.database.expected import difference
from tests.passing_time import pass_time
from tests.walk.model import Product, with_inventory, with_reviews
from tests.walk.reads import Place, Reads

BEHIND = {
    "name": "update products set name = name || '!' where id = %s and length(name) < 150",
    "price": "update products set price = 1.23 where id = %s",
    "is_active": "update products set is_active = not is_active where id = %s",
    "quantity": "update inventory set quantity = quantity + 7 where product_id = %s",
    "review": (
        "insert into reviews (product_id, author_id, rating, title, body) values (%s, 3, 1, 'behind', '')"
    ),
    "inventory": "delete from inventory where product_id = %s",
    "delete": "delete from products where id = %s",
}
"""Changes of one product's rows that somebody else makes."""


class Walk(Reads):
    """A walk with all its steps."""

    def create(
        self, which: int, category: int, name: str, optional: dict[str, Any], price: str, by: int, watch: str
    ) -> None:
        """A new product, some of its fields left to their defaults."""
        with self.watched(by, watch, (category, optional.get("is_active", True))):
            self.post(which, category, name, optional, price)

    def post(self, which: int, category: int, name: str, optional: dict[str, Any], price: str) -> None:
        """The write itself."""
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
        self.check("API.5", self.wrong_rows(number, wanted))

    def wrong_rows(self, number: int, wanted: Product | None) -> str | None:
        """Where the rows of a product differ from what they should be."""
        stored = self.world.current([number]).get(number)
        if stored and stored["average_rating"] is not None:
            stored = {**stored, "average_rating": round(stored["average_rating"], 2)}
        return difference(stored, wanted, f"product {number}")

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

    def change(self, which: int, pick: int, fields: dict[str, Any], by: int, watch: str) -> None:
        """A PUT of any fields, also of none."""
        number = self.product(pick)
        old = self.place(number)
        new = [(fields.get("category_id", at), fields.get("is_active", active)) for at, active in old]
        self.model.touched.add(number)
        with self.watched(by, watch, *old, *new):
            self.put(which, number, fields)

    def put(self, which: int, number: int, fields: dict[str, Any]) -> None:
        """The write itself."""
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
            self.check("API.5", self.wrong_rows(number, wanted))

    def place(self, number: int) -> list[Place]:
        """Where a product is listed, if it is there."""
        known = self.model.newest.get(number)
        return [(known["category"]["id"], known["is_active"])] if known else []

    def delete(self, which: int, pick: int, by: int, watch: str) -> None:
        """A product goes, with all that belongs to it."""
        number = self.product(pick)
        self.model.touched.add(number)
        with self.watched(by, watch, *self.place(number)):
            self.drop(which, number)

    def drop(self, which: int, number: int) -> None:
        """The write itself."""
        status = 204 if number in self.model.newest else 404
        response = self.send(which, "DELETE", f"/products/{number}")
        self.check(
            "API.5", None if response.status_code == status else f"DELETE answered {response.status_code}"
        )
        if status == 204:
            self.model.write(number, None)
            self.check("API.5", "the row is still there" if self.world.current([number]) else None)

    def review(
        self, which: int, pick: int, rating: int, author: int, body: str | None, by: int, watch: str
    ) -> None:
        """A review of a product, with a body or without one."""
        number = self.product(pick)
        self.model.touched.add(number)
        with self.watched(by, watch, *self.place(number)):
            self.rate(which, number, rating, author, body)

    def rate(self, which: int, number: int, rating: int, author: int, body: str | None) -> None:
        """The write itself."""
        known = self.model.newest.get(number)
        sent = {"author_id": author, "rating": rating, "title": "t"} | ({"body": body} if body else {})
        response = self.send(which, "POST", f"/products/{number}/reviews", sent)
        status = 201 if known else 404
        self.check(
            "API.5", None if response.status_code == status else f"POST answered {response.status_code}"
        )
        if known:
            seen = response.json()
            wanted = {"rating": rating, "title": "t", "body": body or "", "author": self.model.users[author]}
            wanted |= {"id": seen["id"], "created_at": seen["created_at"]}
            self.check("API.5", difference(seen, wanted))
            self.model.write(number, with_reviews(known, [*known["reviews"], wanted]))

    def write_wrongly(self, which: int, pick: int, wrong: tuple[str, str, dict[str, Any]]) -> None:
        """A write that is refused changes nothing."""
        method, path, body = wrong
        number = self.product(pick)
        self.model.touched.add(number)
        response = self.send(which, method, path.format(number), body)
        refused = response.status_code in (404, 409, 422)
        self.check("API.1", None if refused else f"a wrong write was answered {response.status_code}")
        self.check("API.5", self.wrong_rows(number, self.model.newest.get(number)))

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
        wanted = [self.changed(known, {"name": name}) for name in names]
        wrong = [self.wrong_rows(number, one) for one in wanted]
        self.model.write(number, self.world.current([number])[number])
        self.check("API.5", wrong[-1] if all(wrong) else None)
