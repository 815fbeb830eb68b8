"""The engine, the session of a request, and the declarative base."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy import make_url
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase

from .config import DATABASE_URL

WRITERS = 50
POOL_TIMEOUT_S = 30

# R09: an async driver, so that waiting for Postgres holds neither a thread nor the event loop.
# R05: 70 connections queue 500 clients instead of turning them away; dead ones are replaced unseen. All are
# kept: those beyond the size of a pool are opened and closed again for one request each.
engine = create_async_engine(
    make_url(DATABASE_URL).set(drivername="postgresql+asyncpg"),
    pool_size=WRITERS + 20,
    max_overflow=0,
    pool_timeout=POOL_TIMEOUT_S,
    pool_pre_ping=True,
    # R01: Postgres writes the JSON of reviews, and its instants then look like all others.
    # R10: what is cached costs no seek. Else Postgres looks for the newest category among all products.
    connect_args={"server_settings": {"timezone": "UTC", "random_page_cost": "1.1"}},
    # R01: reads need no BEGIN before and no ROLLBACK behind them; each statement has its snapshot either way.
    isolation_level="AUTOCOMMIT",
)
SessionLocal = async_sessionmaker(engine, expire_on_commit=False)
WritingSession = async_sessionmaker(
    engine.execution_options(isolation_level="READ COMMITTED"), expire_on_commit=False
)
writers = asyncio.Semaphore(WRITERS)


class Base(DeclarativeBase):
    """Parent of every table of the catalog."""


async def get_db() -> AsyncIterator[AsyncSession]:
    """The session of one request that reads."""
    # R14: the context manager gives the connection back on every way out, errors and cancellation too.
    async with SessionLocal() as db:
        yield db


@asynccontextmanager
async def writing_session() -> AsyncIterator[AsyncSession]:
    """The session of one request that writes: a transaction."""
    # Writers that wait for a lock leave connections for those who read.
    async with asyncio.timeout(POOL_TIMEOUT_S):
        await writers.acquire()
    try:
        async with WritingSession() as db:
            yield db
    finally:
        writers.release()


async def close_database() -> None:
    """Close what is still open, at shutdown."""
    await engine.dispose()
