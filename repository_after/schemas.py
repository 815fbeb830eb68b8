"""What the API takes and gives."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from .config import MAX_BATCH_SIZE, MAX_ID


def without_nul(text: str) -> str:
    """Postgres cannot store a NUL character."""
    if "\0" in text:
        raise ValueError("must not contain a NUL character")
    return text


def with_cents(amount: Decimal) -> Decimal:
    """An amount as Postgres stores it, which knows no -0.00."""
    return abs(amount.quantize(Decimal("0.01")))


def split_ids(text: str) -> list[int]:
    """The ids in `3,1,2`, in that order."""
    return [int(part) for part in text.split(",")]


def checked_ids(text: str) -> str:
    """A list of ids that `split_ids` takes apart."""
    ids = split_ids(text)
    if len(ids) > MAX_BATCH_SIZE:
        raise ValueError(f"must be at most {MAX_BATCH_SIZE} ids")
    if any(not 1 <= product_id <= MAX_ID for product_id in ids):
        raise ValueError(f"must lie between 1 and {MAX_ID}")
    return text


Id = Annotated[int, Field(ge=1, le=MAX_ID)]
IdList = Annotated[str, Field(pattern="^[0-9]{1,20}(,[0-9]{1,20})*$"), AfterValidator(checked_ids)]
Offset = Annotated[int, Field(ge=0, le=MAX_ID)]
Quantity = Annotated[int, Field(ge=0, le=1_000_000_000)]
Price = Annotated[Decimal, Field(ge=0, max_digits=10, decimal_places=2), AfterValidator(with_cents)]
ShortText = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(without_nul)]
LongText = Annotated[str, Field(max_length=10_000), AfterValidator(without_nul)]


class Out(BaseModel):
    """Anything that is read from the rows of the database."""

    model_config = ConfigDict(from_attributes=True)


class CategoryOut(Out):
    id: int
    name: str
    description: str


class InventoryOut(Out):
    quantity: int
    reserved: int
    available: int
    in_stock: bool


class AuthorOut(Out):
    id: int
    name: str
    location: str


class ReviewOut(Out):
    id: int
    rating: int
    title: str
    body: str
    created_at: datetime
    author: AuthorOut


class ProductOut(Out):
    id: int
    name: str
    description: str
    price: Decimal
    is_active: bool
    created_at: datetime
    category: CategoryOut
    inventory: InventoryOut | None
    average_rating: float | None
    review_count: int
    reviews: list[ReviewOut]


class ProductPage(BaseModel):
    items: list[ProductOut]
    total: int
    next: str | None


class ProductCreate(BaseModel):
    name: ShortText
    description: LongText = ""
    price: Price
    category_id: Id
    is_active: bool = True
    quantity: Quantity = 0


class ProductUpdate(BaseModel):
    """Only what is given is changed."""

    name: ShortText = ""
    description: LongText = ""
    price: Price = Decimal(0)
    category_id: Id = 0
    is_active: bool = True
    quantity: Quantity = 0
    reserved: Quantity = 0


class ReviewCreate(BaseModel):
    author_id: Id
    rating: Annotated[int, Field(ge=1, le=5)]
    title: ShortText
    body: LongText = ""
