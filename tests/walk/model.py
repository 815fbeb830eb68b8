"""A small model of the contract: which products there are, and which older versions may still be shown."""

import time
from dataclasses import dataclass, field
from typing import Any

from evaluation.database.expected import TOTAL_ROWS, TOTAL_SHARE, difference
from tests.audit.tables import LIFETIME_S, SLACK_S, Listing

Product = dict[str, Any]
"""A product as the API shows it; never changed, only replaced."""


@dataclass(slots=True)
class Version:
    """The catalog between two changes behind the API."""

    since_s: float
    products: dict[int, Product]

    def page(self, listing: Listing) -> list[Product]:
        """The products of a page and the one behind them."""
        found = [one for one in self.listed(listing) if one["id"] > listing.behind]
        return found[: listing.limit + 1]

    def listed(self, listing: Listing) -> list[Product]:
        """All products of a listing, in order."""
        return [
            self.products[number]
            for number in sorted(self.products)
            if self.products[number]["is_active"] == listing.is_active
            and listing.category_id in (None, self.products[number]["category"]["id"])
        ]


@dataclass(slots=True)
class Model:
    """The versions of the last minute, the newest last. A write through the API changes all of them."""

    versions: list[Version]
    categories: dict[int, dict[str, Any]]
    users: dict[int, dict[str, Any]]
    advanced_s: float = 0.0
    writes: int = 0
    touched: set[int] = field(default_factory=set)

    def now_s(self) -> float:
        """Real time and what was made to pass."""
        return time.monotonic() + self.advanced_s

    @property
    def newest(self) -> dict[int, Product]:
        """What the tables hold."""
        return self.versions[-1].products

    def allowed(self) -> list[Version]:
        """Versions that an answer may show now: the newest, and those that were it less than a minute ago."""
        oldest = self.now_s() - LIFETIME_S - SLACK_S
        self.versions = [
            one
            for number, one in enumerate(self.versions)
            if number + 1 == len(self.versions) or self.versions[number + 1].since_s >= oldest
        ]
        return self.versions

    def write(self, number: int, product: Product | None) -> None:
        """A write through the API: the product is now this in every version (None: it is gone)."""
        self.touched.add(number)
        self.writes += 1
        for version in self.versions:
            if product is None:
                version.products.pop(number, None)
            else:
                version.products[number] = product

    def change_behind(self, number: int, product: Product | None) -> None:
        """A change in the tables: the older versions may be shown for another minute."""
        self.touched.add(number)
        products = {**self.newest, number: product} if product else dict(self.newest)
        if product is None:
            del products[number]
        self.versions.append(Version(self.now_s(), products))

    def wrong_product(self, number: int, seen: Any) -> str | None:
        """What is wrong with a product that was shown (None: it was said not to be there)."""
        wanted = [version.products.get(number) for version in self.allowed()]
        wrong = [difference(seen, one, f"product {number}") for one in wanted]
        return wrong[-1] if all(wrong) else None

    def wrong_page(self, listing: Listing, content: Any) -> str | None:
        """What is wrong with a page: its ids are those of one version, each item is that of one version."""
        items = content["items"]
        pages = [version.page(listing) for version in self.allowed()]
        ids = [one["id"] for one in items]
        fitting = [page for page in pages if ids == [one["id"] for one in page[: listing.limit]]]
        if not fitting:
            return f"ids are {ids}, not {[one['id'] for one in pages[-1][: listing.limit]]}"
        if wrong := next(filter(None, (self.wrong_product(one["id"], one) for one in items)), None):
            return wrong
        more = {len(page) > listing.limit for page in fitting}
        if (content["next"] is not None) not in more:
            return f"next is {content['next']!r} though {'' if True in more else 'no '}products follow"
        return self.wrong_total(listing, content["total"])

    def wrong_total(self, listing: Listing, seen: Any) -> str | None:
        """What is wrong with a total; it may be an estimate, and a minute older than the page."""
        counts = [len(version.listed(listing)) for version in self.versions]
        room = TOTAL_SHARE * max(counts) + TOTAL_ROWS + self.writes + len(self.touched)
        return (
            None if min(counts) - room <= seen <= max(counts) + room else f"total is {seen}, not {counts[-1]}"
        )


def with_inventory(product: Product, **changes: int) -> Product:
    """The product with other numbers in its inventory."""
    known = product["inventory"] or {"quantity": 0, "reserved": 0}
    quantity, reserved = (changes.get(name, known[name]) for name in ("quantity", "reserved"))
    available = max(quantity - reserved, 0)
    numbers = {"quantity": quantity, "reserved": reserved, "available": available, "in_stock": available > 0}
    return {**product, "inventory": numbers}


def with_reviews(product: Product, reviews: list[dict[str, Any]]) -> Product:
    """The product with other reviews, and what follows from them."""
    ratings = [review["rating"] for review in reviews]
    average = sum(ratings) / len(ratings) if ratings else None
    return {**product, "reviews": reviews, "review_count": len(reviews), "average_rating": average}
