"""Bad input becomes a 4xx with a JSON `detail`, never a 500."""

from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from sqlalchemy.exc import IntegrityError


class Refusal(BaseModel):
    """What is wrong: in words, or field by field."""

    detail: str | list[dict[str, Any]]


REFUSALS: dict[int | str, dict[str, Any]] = {
    400: {"model": Refusal, "description": "The body is no JSON in UTF-8"},
    404: {"model": Refusal, "description": "There is no such thing"},
    422: {"model": Refusal, "description": "The input is wrong, or refers to what does not exist"},
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


def install_error_handlers(app: FastAPI) -> None:
    """Teach the application these answers."""
    app.add_exception_handler(RequestValidationError, invalid_request)
    app.add_exception_handler(IntegrityError, broken_reference)
