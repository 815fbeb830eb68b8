"""Reading and writing the catalog."""

from functools import cache
from typing import Any

from pydantic_core import to_json
from sqlalchemy import (
    Insert,
    Integer,
    Select,
    bindparam,
    delete,
    exists,
    func,
    insert,
    literal,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import joinedload, selectinload

from .models import Category, Inventory, Product, Review, User
from .schemas import ProductCreate, ProductUpdate, ReviewCreate

Json = bytes
"""JSON as it is sent."""

# R01: statements are made once. To recognise one that is made anew takes SQLAlchemy longer than to run it.
# R04: the inventory is one row a product and rides along in the product's own.
products_with_inventory = select(Product).options(
    joinedload(Product.category, innerjoin=True), joinedload(Product.inventory_rows)
)
# R02: a product comes with all that belongs to it, in two statements for any number of products.
# R03: all reviews of all products by one IN query, joined to their authors.
products_with_everything = products_with_inventory.options(selectinload(Product.reviews))
# R13: one IN query for all of them.
products_in_batch = products_with_everything.where(Product.id.in_(bindparam("ids", expanding=True)))
# R02: one product needs no second statement, for its reviews are one row as well.
product_with_everything = products_with_inventory.options(joinedload(Product.reviews)).where(
    Product.id == bindparam("product_id")
)


@cache
def page_of_products(*, in_category: bool, is_active: bool) -> Select[Product]:
    """The statement of a page; its parameters are `cursor`, `limit` and, in a category, `category_id`."""
    # R10: the page begins at a key of the index, so page 5 000 costs what page 1 costs.
    query = products_with_everything.where(Product.is_active == is_active, Product.id > bindparam("cursor"))
    if in_category:
        query = query.where(Product.category_id == bindparam("category_id"))
    return query.order_by(Product.id).limit(bindparam("limit", type_=Integer))


@cache
def put_stock(changed: tuple[str, ...]) -> Insert:
    """The statement that changes these fields of an inventory, and makes one where a product has none."""
    # R02: in one statement, whether there is a row or not.
    values: dict[str, Any] = {field: bindparam(field, type_=Integer) for field in changed}
    there: Any = select(Inventory.id)
    if changed:
        there = update(Inventory).values(values).returning(Inventory.id)
    found = there.where(Inventory.product_id == bindparam("of_product")).cte("found")
    row = {"product_id": bindparam("of_product"), "quantity": literal(0), "reserved": literal(0), **values}
    missing = select(*row.values()).where(~exists(select(found.c.id)))
    # R01: into the table, for the statement of an entity with parameters is compiled each time.
    return insert(Inventory.metadata.tables["inventory"]).from_select(list(row), missing)


async def get_categories(db: AsyncSession) -> list[Category]:
    """All categories."""
    return list(await db.scalars(select(Category).order_by(Category.id)))


async def get_products(
    db: AsyncSession, *, cursor: int, limit: int, category_id: int | None, is_active: bool
) -> tuple[list[Json], int | None]:
    """One page of products, those behind the cursor, and the cursor of the next page if there is one."""
    query = page_of_products(in_category=category_id is not None, is_active=is_active)
    wanted = {"cursor": cursor, "limit": limit + 1, "category_id": category_id}
    products = (await db.scalars(query, wanted)).unique().all()
    more = products[limit - 1].id if len(products) > limit else None
    return [product_out(product) for product in products[:limit]], more


async def count_products(db: AsyncSession, *, category_id: int | None, is_active: bool) -> int:
    """How many products there are on all pages."""
    query: Select[int] = select(func.count()).where(Product.is_active == is_active)
    if category_id is not None:
        query = query.where(Product.category_id == category_id)
    return (await db.execute(query)).scalar_one()


async def get_product(db: AsyncSession, product_id: int) -> Json | None:
    """One product, or None."""
    product = (await db.scalars(product_with_everything, {"product_id": product_id})).unique().one_or_none()
    return None if product is None else product_out(product)


async def get_products_by_ids(db: AsyncSession, product_ids: list[int]) -> list[Json]:
    """The products with these ids in this order; unknown ids are left out."""
    products = await db.scalars(products_in_batch, {"ids": product_ids})
    found = {product.id: product_out(product) for product in products.unique()}
    return [found[product_id] for product_id in product_ids if product_id in found]


async def create_product(db: AsyncSession, new: ProductCreate) -> Json | None:
    """Put a product and its inventory into the catalog."""
    product = Product(**new.model_dump(exclude={"quantity"}))
    db.add(product)
    await db.flush()
    db.add(Inventory(product_id=product.id, quantity=new.quantity))
    await db.flush()
    return await committed(db, product.id)


async def update_product(db: AsyncSession, product_id: int, change: ProductUpdate) -> Json | None:
    """Change what is given of a product; None when there is no such product."""
    changes = change.model_dump(exclude_unset=True)
    stock: dict[str, int] = {
        field: changes.pop(field) for field in ("quantity", "reserved") if field in changes
    }
    # Whoever writes the same product waits from here on until this change is committed.
    this: Any = select(Product.id).with_for_update()
    if changes:
        this = update(Product).values(changes).returning(Product.id)
    if await db.scalar(this.where(Product.id == product_id)) is None:
        return None
    await db.execute(put_stock(tuple(stock)), {**stock, "of_product": product_id})
    return await committed(db, product_id)


async def delete_product(db: AsyncSession, product_id: int) -> bool:
    """Take a product out of the catalog; False when there is no such product."""
    deleted = await db.scalar(delete(Product).where(Product.id == product_id).returning(Product.id))
    await db.commit()
    return deleted is not None


async def create_review(db: AsyncSession, product_id: int, new: ReviewCreate) -> Review | None:
    """Add a review to a product; None when there is no such product."""
    # The product stays until the review is there.
    if await db.get(Product, product_id, with_for_update={"key_share": True}) is None:
        return None
    review = Review(product_id=product_id, **new.model_dump())
    db.add(review)
    await db.flush()
    review.author = await db.get_one(User, new.author_id)
    await db.commit()
    return review


async def committed(db: AsyncSession, product_id: int) -> Json | None:
    """Commit, and return a product that this session has written."""
    # Read before the commit, for after it somebody else may delete the product.
    db.expunge_all()
    product = await get_product(db, product_id)
    await db.commit()
    return product


def product_out(product: Product) -> Json:
    """A product with everything that belongs to it, as `ProductOut` has it."""
    category, reviews = product.category, product.reviews
    # There should be one row; where there are two by mistake, the first is shown.
    inventory = product.inventory_rows[0] if product.inventory_rows else None
    fields = {
        "id": product.id,
        "name": product.name,
        "description": product.description,
        "price": product.price,
        "is_active": product.is_active,
        "created_at": product.created_at,
        "category": {"id": category.id, "name": category.name, "description": category.description},
        "inventory": None if inventory is None else inventory_out(inventory),
        "average_rating": round(reviews.rating_sum / reviews.review_count, 2) if reviews else None,
        "review_count": reviews.review_count if reviews else 0,
    }
    return b'%b,"reviews":%b}' % (to_json(fields)[:-1], reviews.json if reviews else b"[]")


def inventory_out(inventory: Inventory) -> dict[str, int | bool]:
    """What is left of a product."""
    available = max(inventory.quantity - inventory.reserved, 0)
    return {
        "quantity": inventory.quantity,
        "reserved": inventory.reserved,
        "available": available,
        "in_stock": available > 0,
    }
