"""The engine, the session of a request, and the declarative base."""

from collections.abc import Iterator

from sqlalchemy import create_engine, make_url
from sqlalchemy.orm import DeclarativeBase, Session, sessionmaker

from .config import DATABASE_URL

engine = create_engine(make_url(DATABASE_URL).set(drivername="postgresql+psycopg2"))
SessionLocal = sessionmaker(engine, expire_on_commit=False)

open_sessions: set[Session] = set()


class Base(DeclarativeBase):
    """Parent of every table of the catalog."""


def get_db() -> Iterator[Session]:
    """The session of one request."""
    db = SessionLocal()
    open_sessions.add(db)
    yield db
    open_sessions.discard(db)
    db.close()


def close_database() -> None:
    """Close what is still open, at shutdown."""
    for db in list(open_sessions):
        db.close()
    engine.dispose()
