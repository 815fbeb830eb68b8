"""The HTTP API of the catalog."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated
from urllib.parse import urlencode

from fastapi import Depends, FastAPI, Query, Response
from sqlalchemy.orm import Session

from . import crud
from .config import DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE
from .database import close_database, get_db
from .docs import install_docs
from .errors import REFUSALS, install_error_handlers, not_found
from .models import Category
from .schemas import (
    CategoryOut,
    Id,
    IdList,
    Offset,
    ProductCreate,
    ProductOut,
    ProductPage,
    ProductUpdate,
    ReviewCreate,
    ReviewOut,
    split_ids,
)

Db = Annotated[Session, Depends(get_db)]


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    """Leave no connection behind."""
    yield
    close_database()


app = FastAPI(title="Product catalog", lifespan=lifespan, responses=REFUSALS, docs_url=None, redoc_url=None)
install_error_handlers(app)
install_docs(app)


@app.get("/health")
def health() -> dict[str, str]:
    return {"status": "ok"}


@app.get("/categories", response_model=list[CategoryOut])
def list_categories(db: Db) -> list[Category]:
    return crud.get_categories(db)


@app.get("/products", response_model=ProductPage)
def list_products(
    db: Db,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE_SIZE)] = DEFAULT_PAGE_SIZE,
    category_id: Id | None = None,
    is_active: bool = True,
    skip: Offset = 0,
) -> ProductPage:
    items, total = crud.get_products(db, skip=skip, limit=limit, category_id=category_id, is_active=is_active)
    query: dict[str, str] = {"limit": str(limit), "is_active": str(is_active).lower()}
    if category_id is not None:
        query["category_id"] = str(category_id)
    more = skip + limit < total
    return ProductPage(
        items=items,
        total=total,
        next=f"/products?{urlencode({**query, 'skip': skip + limit})}" if more else None,
    )


@app.get("/products/batch", response_model=list[ProductOut])
def batch_products(db: Db, ids: IdList) -> list[ProductOut]:
    return crud.get_products_by_ids(db, split_ids(ids))


@app.get("/products/{product_id}", response_model=ProductOut)
def read_product(db: Db, product_id: Id) -> ProductOut | Response:
    return crud.get_product(db, product_id) or not_found("product")


@app.post("/products", response_model=ProductOut, status_code=201)
def create_product(db: Db, new: ProductCreate) -> ProductOut:
    return crud.create_product(db, new)


@app.put("/products/{product_id}", response_model=ProductOut)
def update_product(db: Db, product_id: Id, change: ProductUpdate) -> ProductOut | Response:
    return crud.update_product(db, product_id, change) or not_found("product")


@app.delete("/products/{product_id}", status_code=204)
def delete_product(db: Db, product_id: Id) -> Response:
    return Response(status_code=204) if crud.delete_product(db, product_id) else not_found("product")


@app.post("/products/{product_id}/reviews", response_model=ReviewOut, status_code=201)
def create_review(db: Db, product_id: Id, new: ReviewCreate) -> ReviewOut | Response:
    return crud.create_review(db, product_id, new) or not_found("product")
