"""Bodies that are too large."""

from __future__ import annotations

import asyncio
from http import HTTPStatus

import pytest
from fastapi import APIRouter, FastAPI, Request
from starlette.responses import Response
from starlette.testclient import TestClient
from starlette.types import Message

from server.errors import OmnicallError, RequestTooLargeError
from server.gateway.bounded_route import bounded_route, read_bounded
from server.gateway.error_bodies import error_response

pytestmark = pytest.mark.unit

MAX_BYTES = 64


def client() -> TestClient:
    router = APIRouter(route_class=bounded_route(MAX_BYTES))

    @router.post("/echo")
    async def echo(words: list[str]) -> list[str]:
        return words

    @router.post("/raw")
    async def raw(request: Request) -> dict[str, int | bool]:
        body = await request.body()
        return {"length": len(body), "is_gone": await request.is_disconnected()}

    app = FastAPI()
    app.include_router(router)

    @app.exception_handler(OmnicallError)
    async def refused(_: Request, error: OmnicallError) -> Response:
        return error_response(error)

    return TestClient(app)


def test_a_body_within_the_bound_is_read_as_ever() -> None:
    assert client().post("/echo", json=["a", "b"]).json() == ["a", "b"]
    exact = client().post("/raw", content=b"x" * MAX_BYTES)
    assert exact.json() == {"length": MAX_BYTES, "is_gone": True}
    assert client().post("/raw").json()["length"] == 0


def test_a_larger_body_is_refused() -> None:
    refused = client().post("/raw", content=b"x" * (MAX_BYTES + 1))
    assert refused.status_code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    error = refused.json()["error"]
    assert error["code"] == "request_too_large"
    assert f"{MAX_BYTES} bytes" in error["message"]


def test_a_body_that_comes_in_pieces_is_read_no_further_than_the_bound() -> None:
    read = 0

    async def receive() -> Message:
        nonlocal read
        read += 1
        return {"type": "http.request", "body": b"x", "more_body": True}

    request = Request({"type": "http", "headers": []}, receive)
    with pytest.raises(RequestTooLargeError):
        asyncio.run(read_bounded(request, MAX_BYTES))
    assert read == MAX_BYTES + 1


def test_a_client_that_leaves_in_the_middle_is_no_error_of_the_server() -> None:
    messages: list[Message] = [
        {"type": "http.disconnect"},
        {"type": "http.request", "body": b"[", "more_body": True},
    ]
    sent: list[Message] = []

    async def receive() -> Message:
        return messages.pop()

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/echo", "headers": [], "query_string": b""}
    asyncio.run(client().app(scope, receive, send))
    assert sent[0]["status"] == HTTPStatus.BAD_REQUEST
