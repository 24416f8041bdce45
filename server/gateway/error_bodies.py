"""Errors over HTTP, in the shape of the OpenAI API."""

from __future__ import annotations

from http import HTTPStatus

from pydantic import BaseModel, ConfigDict
from starlette.responses import JSONResponse

from server.errors import OmnicallError, ProtocolError

RETRY_AFTER_S = 5
"""When a client that was turned away for want of room may ask again."""


class ErrorDetailsBody(BaseModel):
    """What went wrong."""

    model_config = ConfigDict(extra="forbid")

    message: str
    type: str
    param: str | None = None
    code: str | None = None


class ErrorBody(BaseModel):
    """Body of every error."""

    model_config = ConfigDict(extra="forbid")

    error: ErrorDetailsBody


def error_response(error: OmnicallError) -> JSONResponse:
    """The answer to a request that failed for a reason of ours."""
    headers: dict[str, str] = {}
    if error.http_status in (HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS):
        headers["Retry-After"] = str(RETRY_AFTER_S)
    if error.http_status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    param = error.param if isinstance(error, ProtocolError) else None
    return status_response(error.http_status, error.message, error.code, param, headers)


def status_response(
    status: int,
    message: str,
    code: str | None = None,
    param: str | None = None,
    headers: dict[str, str] | None = None,
) -> JSONResponse:
    """An error answer of any status."""
    is_client_fault = status < HTTPStatus.INTERNAL_SERVER_ERROR
    details = ErrorDetailsBody(
        message=message,
        type="invalid_request_error" if is_client_fault else "server_error",
        param=param,
        code=code,
    )
    body = ErrorBody(error=details).model_dump()
    return JSONResponse(body, status_code=status, headers=headers)
