"""The servers of a walk, the rows beneath them, and the model beside them."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import psycopg
import redis

from evaluation.database.expected import PRODUCT
from evaluation.serving.workbench import Stage
from tests.audit.tables import Listing
from tests.conftest import AUDITOR, Subject, subject_on
from tests.passing_time import pass_time
from tests.walk.model import Model, Version

FORGOTTEN_AFTER_S = 200
BUSY_CATEGORIES = (5, 17, 42)
"""The last has no products but those that a walk makes."""
SAVE = """
create schema saved;
create table saved.products as table products;
create table saved.inventory as table inventory;
create table saved.reviews as table reviews;
"""
RESTORE = """
delete from products where id = any(%(ids)s) or id > (select max(id) from saved.products);
insert into products select * from saved.products where id = any(%(ids)s);
insert into inventory select * from saved.inventory where product_id = any(%(ids)s);
insert into reviews select * from saved.reviews where product_id = any(%(ids)s);
"""


class World:
    """One stage for all walks of a candidate; every walk begins with the same rows and new processes."""

    def __init__(self, stage: Stage, candidate: Any) -> None:
        self.stage = stage
        self.candidate = candidate
        self.redis_url: str | None = None
        self.options: tuple[str, ...] = ()
        self.connection = psycopg.connect(stage.admin_url, autocommit=True)
        for statement in SAVE.split(";"):
            if statement.strip():
                self.connection.execute(statement.encode())
        self.connection.execute("create index walk on reviews (product_id)")
        self.products = {row["id"]: row for row in self.rows(f"{PRODUCT} order by id")}
        self.connection.execute("drop index walk")
        self.focus = [1, *self.first_of(BUSY_CATEGORIES, True, 2), *self.first_of(BUSY_CATEGORIES, False, 1)]
        self.clock_moves = False
        self.standing = ExitStack()
        self.subjects: list[Subject] = []
        named = "select json_build_object('id', id, 'name', name, {} ) from {} order by id"
        self.categories = self.by_id(named.format("'description', description", "categories"))
        self.users = self.by_id(named.format("'location', location", "users"))

    def first_of(self, categories: Sequence[int], is_active: bool, count: int) -> list[int]:
        """The first products of some listings: what is changed again and again, and read with its page."""
        listed = [Version(0.0, self.products).listed(Listing(1, one, is_active)) for one in categories]
        return [product["id"] for one in listed for product in one[:count]]

    def rows(self, query: str) -> list[Any]:
        """The first column of a query."""
        return [row[0] for row in self.connection.execute(query.encode())]

    def by_id(self, query: str) -> dict[int, dict[str, Any]]:
        """Objects by their id."""
        return {row["id"]: row for row in self.rows(query)}

    def current(self, numbers: Sequence[int]) -> dict[int, Any]:
        """Products as the tables hold them now."""
        return self.by_id(f"{PRODUCT} where id = any(array{list(numbers)}::int[])")

    def change(self, statement: str, *parameters: object) -> None:
        """Change rows behind the API."""
        self.connection.execute(statement.encode(), parameters)

    def model(self) -> Model:
        """The model of the seeded rows."""
        return Model([Version(float("-inf"), dict(self.products))], self.categories, self.users)

    @contextmanager
    def walk(self, processes: int) -> Iterator[tuple[Model, list[Subject]]]:
        """Processes that remember nothing, on the seeded rows, which are put back afterwards."""
        AUDITOR.of_stage(self.stage.database, self.stage.admin_url).is_modelled = True
        if self.subjects and self.clock_moves:
            pass_time(self.subjects, FORGOTTEN_AFTER_S)
        else:
            self.start(processes)
        model = self.model()
        try:
            yield model, self.subjects
        finally:
            self.restore(model)

    def start(self, processes: int) -> None:
        """New processes and an empty cache, in the place of any others."""
        self.standing.close()
        with redis.Redis.from_url(self.stage.redis_url) as client:
            client.flushdb()
        places = [
            subject_on(self.stage, self.candidate, self.redis_url, self.options) for _ in range(processes)
        ]
        self.subjects = [self.standing.enter_context(place) for place in places]
        for subject in self.subjects:
            # What goes wrong while Redis hangs up is hardening, and the walk itself tells it.
            subject.audit.may_fail = self.redis_url is not None

    def restore(self, model: Model) -> None:
        """Put back the rows that a walk has touched."""
        for statement in RESTORE.split(";"):
            if statement.strip():
                self.connection.execute(statement.encode(), {"ids": list(model.touched)})

    def close(self) -> None:
        """Stop the processes and hang up."""
        self.standing.close()
        self.connection.close()
