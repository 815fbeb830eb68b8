"""Reading and writing the catalog."""

from sqlalchemy.orm import Session

from .models import Category, Inventory, Product, Review, User
from .schemas import (
    AuthorOut,
    CategoryOut,
    InventoryOut,
    ProductCreate,
    ProductOut,
    ProductUpdate,
    ReviewCreate,
    ReviewOut,
)


def get_categories(db: Session) -> list[Category]:
    """All categories."""
    return db.query(Category).order_by(Category.id).all()


def get_products(
    db: Session, *, skip: int, limit: int, category_id: int | None, is_active: bool
) -> tuple[list[ProductOut], int]:
    """One page of products and how many there are on all pages."""
    query = db.query(Product).filter(Product.is_active == is_active)
    if category_id is not None:
        query = query.filter(Product.category_id == category_id)
    total = query.count()
    products = query.order_by(Product.id).offset(skip).limit(limit).all()
    return [product_out(db, product) for product in products], total


def get_product(db: Session, product_id: int) -> ProductOut | None:
    """One product, or None."""
    product = db.query(Product).filter(Product.id == product_id).first()
    return None if product is None else product_out(db, product)


def get_products_by_ids(db: Session, product_ids: list[int]) -> list[ProductOut]:
    """The products with these ids in this order; unknown ids are left out."""
    products = []
    for product_id in product_ids:
        product = get_product(db, product_id)
        if product is not None:
            products.append(product)
    return products


def create_product(db: Session, new: ProductCreate) -> ProductOut:
    """Put a product and its inventory into the catalog."""
    product = Product(**new.model_dump(exclude={"quantity"}))
    db.add(product)
    db.flush()
    db.add(Inventory(product_id=product.id, quantity=new.quantity))
    db.flush()
    db.refresh(product)
    db.commit()
    return product_out(db, product)


def update_product(db: Session, product_id: int, change: ProductUpdate) -> ProductOut | None:
    """Change what is given of a product; None when there is no such product."""
    product = db.query(Product).filter(Product.id == product_id).with_for_update().first()
    if product is None:
        return None
    inventory = inventory_of(db, product_id)
    if inventory is None:
        inventory = Inventory(product_id=product_id)
        db.add(inventory)
    for field, value in change.model_dump(exclude_unset=True).items():
        setattr(inventory if field in ("quantity", "reserved") else product, field, value)
    db.commit()
    return product_out(db, product)


def delete_product(db: Session, product_id: int) -> bool:
    """Take a product out of the catalog; False when there is no such product."""
    product = db.query(Product).filter(Product.id == product_id).with_for_update().first()
    if product is None:
        return False
    db.delete(product)
    db.commit()
    return True


def create_review(db: Session, product_id: int, new: ReviewCreate) -> ReviewOut | None:
    """Add a review to a product; None when there is no such product."""
    product = db.query(Product).filter(Product.id == product_id).with_for_update(key_share=True).first()
    if product is None:
        return None
    review = Review(product_id=product_id, **new.model_dump())
    db.add(review)
    db.flush()
    db.refresh(review)
    db.commit()
    return review_out(db, review)


def product_out(db: Session, product: Product) -> ProductOut:
    """A product with everything that belongs to it."""
    category = db.query(Category).filter(Category.id == product.category_id).first()
    inventory = inventory_of(db, product.id)
    reviews = db.query(Review).filter(Review.product_id == product.id).order_by(Review.id).all()
    ratings = [review.rating for review in reviews]
    return ProductOut(
        id=product.id,
        name=product.name,
        description=product.description,
        price=product.price,
        is_active=product.is_active,
        created_at=product.created_at,
        category=CategoryOut.model_validate(category),
        inventory=None if inventory is None else inventory_out(inventory),
        average_rating=round(sum(ratings) / len(ratings), 2) if ratings else None,
        review_count=len(ratings),
        reviews=[review_out(db, review) for review in reviews],
    )


def inventory_of(db: Session, product_id: int) -> Inventory | None:
    """The inventory of a product; the first row where there should be one and are more."""
    return db.query(Inventory).filter(Inventory.product_id == product_id).order_by(Inventory.id).first()


def inventory_out(inventory: Inventory) -> InventoryOut:
    """What is left of a product."""
    available = max(inventory.quantity - inventory.reserved, 0)
    return InventoryOut(
        quantity=inventory.quantity,
        reserved=inventory.reserved,
        available=available,
        in_stock=available > 0,
    )


def review_out(db: Session, review: Review) -> ReviewOut:
    """A review with its author."""
    author = db.query(User).filter(User.id == review.author_id).first()
    return ReviewOut(
        id=review.id,
        rating=review.rating,
        title=review.title,
        body=review.body,
        created_at=review.created_at,
        author=AuthorOut.model_validate(author),
    )
