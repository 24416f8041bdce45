"""Routes whose requests have a size: a body is refused before it is read to its end."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from http import HTTPStatus

from fastapi import Request, Response
from fastapi.routing import APIRoute
from starlette.requests import ClientDisconnect
from starlette.types import Message

from server.errors import RequestTooLargeError


def bounded_route(max_bytes: int) -> type[APIRoute]:
    """A class of routes that take bodies of up to ``max_bytes``; for ``APIRouter(route_class=…)``.

    FastAPI alone reads a body of any size into memory.
    """

    class BoundedRoute(APIRoute):
        def get_route_handler(self) -> Callable[[Request], Awaitable[Response]]:  # type: ignore[override]
            handle = super().get_route_handler()

            async def handle_bounded(request: Request) -> Response:
                try:
                    body = await read_bounded(request, max_bytes)
                except ClientDisconnect:
                    # Nobody is there to read it.
                    return Response(status_code=HTTPStatus.BAD_REQUEST)
                return await handle(Request(request.scope, _replayed(body)))

            return handle_bounded

    return BoundedRoute


async def read_bounded(request: Request, max_bytes: int) -> bytes:
    """The body of a request. Cancelling loses what was read.

    Raises:
        RequestTooLargeError: It is larger than ``max_bytes``.
        ClientDisconnect: The client left before its end.
    """
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > max_bytes:
            raise RequestTooLargeError(
                f"the body of this request is at most {max_bytes} bytes; send less"
            )
    return bytes(body)


def _replayed(body: bytes) -> Callable[[], Awaitable[Message]]:
    """A `receive` that gives a body that was read already."""
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Message:
        return messages.pop() if messages else {"type": "http.disconnect"}

    return receive
