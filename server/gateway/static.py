"""The pages a browser gets, with headers that let nothing else run on them."""

from __future__ import annotations

from pathlib import Path

from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket

from server.gateway.error_bodies import status_response

WEB_CLIENT = Path(__file__).resolve().parents[2] / "web_client"
"""The folder of this repository."""
CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data: blob:",
        "media-src 'self' blob:",
        "worker-src 'self'",
        "connect-src 'self'",
        "font-src 'self'",
        "form-action 'none'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
SECURITY_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": ", ".join(
        (
            "camera=(self)",
            "microphone=(self)",
            "display-capture=(self)",
            "screen-wake-lock=(self)",
            "autoplay=(self)",
            "geolocation=()",
            "payment=()",
            "usb=()",
        )
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
CACHE_CONTROL = "no-cache"
"""Kept, but asked for again each time (ETag): a page and its scripts never differ in version."""


class WebClient(StaticFiles):
    """The files of one folder; ``/`` is its ``index.html``."""

    def __init__(self, folder: Path) -> None:
        super().__init__(directory=folder, html=True)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve HTTP; a WebSocket that no route took gets a 404 before the upgrade."""
        if scope["type"] != "websocket":
            await super().__call__(scope, receive, send)
        elif "websocket.http.response" in scope.get("extensions", {}):
            message = "calls are taken at /v1/realtime"
            await WebSocket(scope, receive, send).send_denial_response(
                status_response(404, message, "not_found")
            )
        else:
            await WebSocket(scope, receive, send).close()

    async def get_response(self, path: str, scope: Scope) -> Response:
        """A file with its headers. Cancelling is safe."""
        response = await super().get_response(path, scope)
        response.headers.update(SECURITY_HEADERS)
        response.headers["Cache-Control"] = CACHE_CONTROL
        return response
