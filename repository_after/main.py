"""The HTTP API of the catalog."""

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated
from urllib.parse import urlencode

from fastapi import Depends, FastAPI, Query, Request, Response
from pydantic_core import to_json
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import configure_mappers

from . import crud
from .cache import Listing, Wanted, listings
from .compression import CompressionMiddleware
from .config import DEFAULT_PAGE_SIZE, GC_THRESHOLD, GZIP_LEVEL, GZIP_MINIMUM_BYTES, MAX_ID, MAX_PAGE_SIZE
from .database import SessionLocal, close_database, get_db, writing_session
from .docs import install_docs
from .errors import REFUSALS, install_error_handlers, not_found
from .fast_path import Catalog, PageResponse, known_queries
from .http_cache import ConditionalMiddleware
from .models import Category, Review
from .schemas import (
    CategoryOut,
    Id,
    IdList,
    ProductCreate,
    ProductOut,
    ProductPage,
    ProductUpdate,
    ReviewCreate,
    ReviewOut,
    split_ids,
)
from .timing import pending

Db = Annotated[AsyncSession, Depends(get_db, scope="function")]


async def get_forgetting_db() -> AsyncIterator[AsyncSession]:
    """The session of a request that writes; whatever becomes of it, all pages are forgotten."""
    try:
        async with writing_session() as db:
            yield db
    finally:
        # R08: a write is seen by every read after its answer, also one that failed after its commit.
        await listings.forget_pages()


WritingDb = Annotated[AsyncSession, Depends(get_forgetting_db, scope="function")]


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    """Prepare what the first request would pay for, and close every connection at the end."""
    # R01: done by the first request otherwise, while five hundred wait for it.
    configure_mappers()
    # R01: objects made by the imports live as long as the process; the collector need not visit them again.
    gc.collect()
    gc.freeze()
    gc.set_threshold(GC_THRESHOLD)
    await listings.open()
    yield
    # R16: before anything that can fail.
    pending.write()
    await listings.close()
    await close_database()


app = Catalog(title="Product catalog", lifespan=lifespan, responses=REFUSALS, docs_url=None, redoc_url=None)
install_error_handlers(app)
install_docs(app)
app.add_middleware(ConditionalMiddleware)
# R12: GZipMiddleware with a cheaper level than its 9, for answers of 1 000 bytes and more.
app.add_middleware(CompressionMiddleware, minimum_size=GZIP_MINIMUM_BYTES, compresslevel=GZIP_LEVEL)


@app.get("/health")
async def health() -> dict[str, str]:
    return {"status": "ok"}


@app.get("/categories", response_model=list[CategoryOut])
async def list_categories(db: Db) -> list[Category]:
    return await crud.get_categories(db)


@app.get("/products", response_model=ProductPage)
async def list_products(
    request: Request,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE_SIZE)] = DEFAULT_PAGE_SIZE,
    category_id: Id | None = None,
    is_active: bool = True,
    cursor: Annotated[int, Query(ge=0, le=MAX_ID)] = 0,
) -> Response:
    async def load_items() -> tuple[list[crud.Json], int | None]:
        async with SessionLocal() as db:
            return await crud.get_products(
                db, cursor=cursor, limit=limit, category_id=category_id, is_active=is_active
            )

    async def count() -> int:
        async with SessionLocal() as db:
            return await crud.count_products(db, category_id=category_id, is_active=is_active)

    async def load(total: int | None) -> Listing:
        if total is None:
            # R11: where it must be counted, Postgres counts while the page is loaded.
            counted, (items, more) = await asyncio.gather(count(), load_items())
            total = counted
        else:
            items, more = await load_items()
        query: dict[str, str] = {"limit": str(limit), "is_active": str(is_active).lower()}
        if category_id is not None:
            query["category_id"] = str(category_id)
        next_path = f"/products?{urlencode({**query, 'cursor': more})}" if more else None
        rest = b',"total":%d,"next":%b}' % (total, to_json(next_path))
        return Listing(b"".join([b'{"items":', *list_of(items), rest]), total)

    total_key = f"{category_id}:{is_active}"
    wanted = Wanted(f"{total_key}:{limit}:{cursor}", total_key, load)
    known_queries.note(request.scope, wanted)
    return PageResponse(await listings.page(wanted))


@app.get("/products/batch", response_model=list[ProductOut])
async def batch_products(db: Db, ids: IdList) -> Response:
    return ready(b"".join(list_of(await crud.get_products_by_ids(db, split_ids(ids)))))


@app.get("/products/{product_id}", response_model=ProductOut)
async def read_product(db: Db, product_id: Id) -> Response:
    return ready(await crud.get_product(db, product_id))


@app.post("/products", response_model=ProductOut, status_code=201)
async def create_product(db: WritingDb, new: ProductCreate) -> Response:
    return ready(await crud.create_product(db, new), 201)


@app.put("/products/{product_id}", response_model=ProductOut)
async def update_product(db: WritingDb, product_id: Id, change: ProductUpdate) -> Response:
    return ready(await crud.update_product(db, product_id, change))


@app.delete("/products/{product_id}", status_code=204)
async def delete_product(db: WritingDb, product_id: Id) -> Response:
    return Response(status_code=204) if await crud.delete_product(db, product_id) else not_found("product")


@app.post("/products/{product_id}/reviews", response_model=ReviewOut, status_code=201)
async def create_review(db: WritingDb, product_id: Id, new: ReviewCreate) -> Review | Response:
    return await crud.create_review(db, product_id, new) or not_found("product")


def list_of(items: list[crud.Json]) -> list[bytes]:
    """The pieces of a list in JSON."""
    # R01: to be joined only once, for a page is half a megabyte.
    pieces = [piece for item in items for piece in (b",", item)]
    return [b"[", *pieces[1:], b"]"]


def ready(body: crud.Json | None, status: int = 200) -> Response:
    """What was made from our own tables, and so is not validated again; 404 where it is None."""
    if body is None:
        return not_found("product")
    return Response(body, status, media_type="application/json")
