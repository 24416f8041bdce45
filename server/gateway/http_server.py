"""The HTTP server under the app: uvicorn with an orderly end and a way to drop stuck clients."""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable
from typing import Any

import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Request

from server.config import ServerConfig

ABORT_EXTENSION = "omnicall.abort"
"""ASGI extension of a WebSocket: ``scope["extensions"][ABORT_EXTENSION]["abort"]()`` drops the
connection at once, with whatever still waits to be sent."""
PING_INTERVAL_S = 20.0
CLOSE_GRACE_S = 3
"""Time connections get to close once every session has ended."""
KEEP_ALIVE_S = 15


class AbortableWebSocketProtocol(WebSocketsSansIOProtocol):
    """uvicorn's WebSocket, plus the abort extension and without an error for every refusal.

    ASGI has no other way out of a connection whose client never reads: closing politely waits for
    the very data the client does not take.
    """

    def handle_connect(self, event: Request) -> None:
        """Offer the extension with the connection's scope."""
        super().handle_connect(event)
        if hasattr(self, "scope"):
            extensions: dict[str, Any] = self.scope["extensions"]
            extensions[ABORT_EXTENSION] = {"abort": self.transport.abort}

    async def send(self, message: Any) -> None:
        """Send as uvicorn does. Cancelling leaves the connection unusable."""
        await super().send(message)
        if message["type"] == "websocket.http.response.body" and self.close_sent:
            # uvicorn logs an error for a handshake that ended in an HTTP response, though that is
            # what a refusal is.
            self.handshake_complete = True


class GatewayServer(uvicorn.Server):
    """uvicorn that lets the sessions end before it cuts the connections.

    uvicorn's own shutdown closes every WebSocket first; answers that are being given would be
    lost. Here: take no new connection, end the sessions in order, then what uvicorn does.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        drain: Callable[[], Awaitable[None]],
        failure: Callable[[], str],
    ) -> None:
        """
        Args:
            config: uvicorn's own settings.
            drain: Ends every session, in its own time.
            failure: Why this server can never take a call; empty while it may.
        """
        super().__init__(config)
        self._drain = drain
        self._failure = failure

    @property
    def failure(self) -> str:
        """Why the server gave up; empty when it was told to stop."""
        return self._failure()

    @property
    def bound_port(self) -> int:
        """The port listened on; what the system chose where the configured one is 0."""
        return int(self.servers[0].sockets[0].getsockname()[1])

    async def on_tick(self, counter: int) -> bool:
        """Whether to stop now: told to, or without a model for good."""
        return await super().on_tick(counter) or bool(self.failure)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop in order. Cancelling leaves connections to the process's end."""
        for server in self.servers:
            server.close()
        if not self.force_exit:
            await self._drain()
        await super().shutdown(sockets)
        if self.force_exit:
            # Ctrl-C pressed twice: uvicorn would leave the app running and the engine behind.
            await self.lifespan.shutdown()


def build_http_server(
    app: FastAPI, config: ServerConfig, *, log_level: str = "info"
) -> GatewayServer:
    """The server for an app made by `create_app`.

    Args:
        app: Its ``state.drain`` is awaited before connections are cut, and its
            ``state.readiness`` says when there is no point in going on.
        config: Address, certificate files (which must exist unless ``insecure_http``), limits.
        log_level: For uvicorn's own messages.
    """
    uvicorn_config = uvicorn.Config(
        app,
        host=config.host,
        port=config.port,
        ws=AbortableWebSocketProtocol,
        ws_max_size=config.max_message_bytes,
        ws_ping_interval=PING_INTERVAL_S,
        ws_ping_timeout=config.send_timeout_s,
        # Base64 of sound hardly compresses; trying costs time on the loop and 300 kB a client.
        ws_per_message_deflate=False,
        timeout_graceful_shutdown=CLOSE_GRACE_S,
        timeout_keep_alive=KEEP_ALIVE_S,
        ssl_certfile=None if config.insecure_http else str(config.cert_file),
        ssl_keyfile=None if config.insecure_http else str(config.key_file),
        log_level=log_level,
        log_config=None,
        access_log=False,
        server_header=False,
        lifespan="on",
    )
    return GatewayServer(uvicorn_config, app.state.drain, lambda: app.state.readiness.failure)
