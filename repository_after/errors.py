"""Bad input becomes a 4xx with a JSON `detail`, and an absent Postgres a 503, never a 500."""

import logging
from typing import Any

from asyncpg import InterfaceError, PostgresError
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from sqlalchemy import exc
from sqlalchemy.exc import IntegrityError

logger = logging.getLogger(__name__)

UNAVAILABLE = ("08", "25006", "40", "53", "55P03", "57")
"""SQLSTATE: no connection, read-only, rolled back for another, no room, locked, an administrator."""


class Refusal(BaseModel):
    """What is wrong: in words, or field by field."""

    detail: str | list[dict[str, Any]]


REFUSALS: dict[int | str, dict[str, Any]] = {
    400: {"model": Refusal, "description": "The body is no JSON in UTF-8"},
    404: {"model": Refusal, "description": "There is no such thing"},
    422: {"model": Refusal, "description": "The input is wrong, or refers to what does not exist"},
    503: {"model": Refusal, "description": "Postgres cannot be reached, or is busy"},
}
"""What every route may answer besides its own, for the schema."""


def not_found(what: str) -> JSONResponse:
    """There is no such thing."""
    return JSONResponse({"detail": f"{what} not found"}, status_code=404)


def invalid_request(_: Request, error: Exception) -> JSONResponse:
    """Which fields are wrong and why; the input itself is not echoed (it may not be printable)."""
    assert isinstance(error, RequestValidationError)
    detail = [{"loc": item["loc"], "msg": item["msg"], "type": item["type"]} for item in error.errors()]
    return JSONResponse({"detail": detail}, status_code=422)


def broken_reference(_: Request, error: Exception) -> JSONResponse:
    """A row named another row that does not exist."""
    return JSONResponse({"detail": "refers to something that does not exist"}, status_code=422)


def unavailable(_: Request | None, error: Exception) -> JSONResponse:
    """Postgres cannot be reached or has no connection to spare. Other errors are raised again."""
    cause = getattr(error, "orig", error)
    is_known = isinstance(cause, OSError | InterfaceError | exc.TimeoutError)
    is_lost = getattr(error, "connection_invalidated", False)
    if not (is_known or is_lost or str(getattr(cause, "sqlstate", "")).startswith(UNAVAILABLE)):
        raise error
    logger.error("answering 503: %s: %s", type(error).__name__, " ".join(str(error).split())[:200])
    detail = {"detail": "the database cannot be reached, or is busy"}
    return JSONResponse(detail, status_code=503, headers={"Retry-After": "1", "Vary": "Accept-Encoding"})


def install_error_handlers(app: FastAPI) -> None:
    """Teach the application these answers."""
    app.add_exception_handler(RequestValidationError, invalid_request)
    app.add_exception_handler(IntegrityError, broken_reference)
    for kind in (exc.DBAPIError, exc.TimeoutError, PostgresError, InterfaceError, OSError):
        app.add_exception_handler(kind, unavailable)
