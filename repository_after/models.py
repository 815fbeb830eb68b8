"""The tables of the catalog."""

from datetime import datetime
from decimal import Decimal

from sqlalchemy import DateTime, ForeignKey, Index, Numeric, String, Text, func, join
from sqlalchemy.orm import Mapped, column_property, mapped_column, relationship

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
    reviews: Mapped[list["ReviewWithAuthor"]] = relationship(
        lazy="raise", order_by="ReviewWithAuthor.id", viewonly=True
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


class ReviewWithAuthor(Base):
    """A review as it is read."""

    # R01: one object made of two rows, where a page has 785 of each.
    __table__ = join(Review.__table__, User.__table__)

    id: Mapped[int] = column_property(Review.__table__.c.id)
    rating: Mapped[int]
    author_id: Mapped[int] = column_property(Review.__table__.c.author_id, User.__table__.c.id)
    author_name: Mapped[str] = column_property(User.__table__.c.name)
    author_location: Mapped[str] = column_property(User.__table__.c.location)
