"""The tables of the catalog."""

from datetime import datetime
from decimal import Decimal

from sqlalchemy import DateTime, ForeignKey, Index, Numeric, String, Text, cast, func, literal, select, true
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.orm import Mapped, foreign, mapped_column, relationship

from .database import Base


class Category(Base):
    """A shelf of the catalog."""

    __tablename__ = "categories"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    description: Mapped[str] = mapped_column(Text)


class User(Base):
    """Somebody who writes reviews."""

    __tablename__ = "users"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    location: Mapped[str] = mapped_column(String(200))


class Product(Base):
    """Something for sale."""

    __tablename__ = "products"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    description: Mapped[str] = mapped_column(Text)
    price: Mapped[Decimal] = mapped_column(Numeric(10, 2))
    # R06: every column that a join or a lookup goes through has an index.
    category_id: Mapped[int] = mapped_column(ForeignKey("categories.id"), index=True)
    # R07: the filter of every listing has one too.
    is_active: Mapped[bool] = mapped_column(default=True, index=True)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())

    category: Mapped[Category] = relationship(lazy="raise")
    inventory_rows: Mapped[list["Inventory"]] = relationship(
        lazy="raise", order_by="Inventory.id", viewonly=True
    )
    reviews: Mapped["ReviewsOfProduct | None"] = relationship(
        lazy="raise",
        primaryjoin=lambda: Product.id == foreign(ReviewsOfProduct.product_id),
        viewonly=True,
    )

    # R10: a filtered page is one stretch of one index, wherever the walk has got to.
    __table_args__ = (
        Index("ix_products_is_active_id", "is_active", "id"),
        Index("ix_products_category_id_is_active_id", "category_id", "is_active", "id"),
    )


class Inventory(Base):
    """How many pieces of a product there are, and how many are spoken for."""

    __tablename__ = "inventory"

    id: Mapped[int] = mapped_column(primary_key=True)
    product_id: Mapped[int] = mapped_column(ForeignKey("products.id", ondelete="CASCADE"), index=True)
    quantity: Mapped[int] = mapped_column(default=0)
    reserved: Mapped[int] = mapped_column(default=0)


class Review(Base):
    """What a user thinks of a product."""

    __tablename__ = "reviews"

    id: Mapped[int] = mapped_column(primary_key=True)
    product_id: Mapped[int] = mapped_column(ForeignKey("products.id", ondelete="CASCADE"), index=True)
    author_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    rating: Mapped[int]
    title: Mapped[str] = mapped_column(String(200))
    body: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())

    author: Mapped[User] = relationship(lazy="raise")


# Their names are those of no column: Postgres would take the column for the row.
author = select(User.id, User.name, User.location).correlate(User).lateral("author_out")
review = (
    select(
        Review.id,
        Review.rating,
        Review.title,
        Review.body,
        Review.created_at,
        author.table_valued().label("author"),
    )
    .correlate(Review, author)
    .lateral("review_out")
)
in_order = aggregate_order_by(literal(","), Review.id)
review_as_json = cast(func.row_to_json(review.table_valued()), Text)


class ReviewsOfProduct(Base):
    """All reviews of one product with their authors, as JSON."""

    # R01: Postgres writes 785 reviews a page as JSON in less time than it takes to load them as objects.
    __table__ = (
        select(
            Review.product_id,
            func.count().label("review_count"),
            func.sum(Review.rating).label("rating_sum"),
            func.convert_to("[" + func.string_agg(review_as_json, in_order) + "]", "UTF8").label("json"),
        )
        .join(User)
        .join(author, true())
        .join(review, true())
        .group_by(Review.product_id)
        .subquery("reviews_of_products")
    )
    __mapper_args__ = {"primary_key": [__table__.c.product_id]}  # noqa: RUF012

    product_id: Mapped[int]
    review_count: Mapped[int]
    rating_sum: Mapped[int]
    json: Mapped[bytes]
