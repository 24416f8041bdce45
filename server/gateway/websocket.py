"""``/v1/realtime`` over WebSocket: the way in, the way out, and what ends a connection."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect

from server.engine.client import EngineClient
from server.errors import OmnicallError, ProtocolError, RefusedError
from server.gateway.auth import SUBPROTOCOL, Access, check_model, model_names
from server.gateway.error_bodies import error_response
from server.gateway.http_server import ABORT_EXTENSION
from server.gateway.outbox import Outbox, SlowClientError
from server.gateway.realtime_connection import GatewayContext, RealtimeConnection
from server.gateway.session_settings import opening_settings, session_options
from server.protocol.codec import encode_server_event
from server.protocol.ids import new_id
from server.session.events import SessionEnded
from server.session.session import Session
from server.session.session_manager import SessionManager

logger = logging.getLogger("omnicall.gateway")

NORMAL_CLOSE = 1000
POLICY_CLOSE = 1008
INTERNAL_CLOSE = 1011
RESTART_CLOSE = 1012
TRY_LATER_CLOSE = 1013
CLOSE_CODES = {
    "closed": NORMAL_CLOSE,
    "deleted": NORMAL_CLOSE,
    "idle_timeout": POLICY_CLOSE,
    "draining": RESTART_CLOSE,
    "engine_failed": INTERNAL_CLOSE,
    "overload": TRY_LATER_CLOSE,
}
"""What a session's end is called on the wire; stock clients reconnect after 1011, 1012, 1013."""
MAX_REASON_BYTES = 123
"""RFC 6455: a close frame holds 125 bytes, two of them the code."""
CLOSE_TIMEOUT_S = 1.0


class RealtimeWebSocket:
    """Serves WebSocket connections of one app."""

    def __init__(
        self,
        manager: SessionManager,
        engine: EngineClient,
        context: GatewayContext,
        access: Access,
    ) -> None:
        self._manager = manager
        self._engine = engine
        self._context = context
        self._access = access
        self._n_open = 0
        self._none_open = asyncio.Event()
        self._none_open.set()

    async def closed(self) -> None:
        """Wait until no connection is open, but not for clients that do not let go.

        Cancelling is safe.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await self._none_open.wait()

    async def serve(self, websocket: WebSocket) -> None:
        """One connection from request to close.

        This is the gateway task: the one place where an unexpected error is caught, so that it
        ends this connection with a plain word and no other. Cancelling ends the session.
        """
        try:
            session, connection, outbox = self._admit(websocket)
        except OmnicallError as error:
            self._context.metrics.sessions_refused.labels(error.code).inc()
            await self._deny(websocket, error)
            return
        self._n_open += 1
        self._none_open.clear()
        try:
            await self._converse(websocket, session, connection, outbox)
        except WebSocketDisconnect:
            logger.debug("session %s: the client left during the upgrade", session.id)
        except Exception:
            logger.exception("session %s: connection failed", session.id)
            await self._close(websocket, INTERNAL_CLOSE, "internal error")
        finally:
            session.close("closed", "the connection ended")
            self._n_open -= 1
            if not self._n_open:
                self._none_open.set()

    def _admit(self, websocket: WebSocket) -> tuple[Session, RealtimeConnection, Outbox]:
        """A session for this request.

        Raises:
            OmnicallError: It is refused; nothing was given out.
        """
        config = self._context.config
        caller = self._access.caller(websocket)
        names = model_names(config, self._engine.info)
        check_model(websocket.query_params.get("model"), names)
        settings = opening_settings(config, names[0], caller.session, self._engine.info)
        session = self._manager.admit(session_options(settings, config))
        self._context.metrics.sessions.inc()
        outbox = Outbox(config.server.send_queue_events)
        connection = RealtimeConnection(session, settings, names, self._context, outbox.put)
        return session, connection, outbox

    async def _deny(self, websocket: WebSocket, error: OmnicallError) -> None:
        """Refuse before the upgrade, with the body an HTTP client would get."""
        if "websocket.http.response" in websocket.scope.get("extensions", {}):
            await websocket.send_denial_response(error_response(error))
            return
        code = error.close_code if isinstance(error, RefusedError) else TRY_LATER_CLOSE
        await websocket.close(code, _reason(error.code))

    async def _converse(
        self,
        websocket: WebSocket,
        session: Session,
        connection: RealtimeConnection,
        outbox: Outbox,
    ) -> None:
        offered = websocket.scope["subprotocols"]
        await websocket.accept(SUBPROTOCOL if SUBPROTOCOL in offered else None)
        connection.greet()
        ended = SessionEnded("closed", "")
        try:
            async with asyncio.TaskGroup() as tasks:
                reader = tasks.create_task(
                    self._read(websocket, session, connection), name=f"{session.id} reader"
                )
                writer = tasks.create_task(
                    self._write(websocket, session, outbox), name=f"{session.id} writer"
                )
                ended = await connection.run()
                reader.cancel()
                outbox.close()
                await writer
        except* SlowClientError as group:
            logger.warning("session %s: %s", session.id, group.exceptions[0])
            self._abort(websocket)
        else:
            await self._close(websocket, CLOSE_CODES.get(ended.code, INTERNAL_CLOSE), ended.code)

    async def _read(
        self, websocket: WebSocket, session: Session, connection: RealtimeConnection
    ) -> None:
        """Hand every message to the connection until the client leaves, then end the session."""
        while True:
            try:
                message = await websocket.receive()
            except RuntimeError:  # starlette's word for a socket whose end was already read
                break
            if message["type"] == "websocket.disconnect":
                break
            text = message.get("text")
            if text is None:
                connection.report(
                    ProtocolError(
                        "binary messages are not part of the dialect; send JSON text",
                        code="invalid_message",
                    )
                )
            else:
                await connection.receive(text)
            # A flood of small messages arrives in one piece: others get their turn in between.
            await asyncio.sleep(0)
        session.close("closed", "the client disconnected")

    async def _write(self, websocket: WebSocket, session: Session, outbox: Outbox) -> None:
        """Send what waits until the outbox is closed or the client is gone.

        Raises:
            SlowClientError: The client took nothing for `send_timeout_s`.
        """
        timeout_s = self._context.config.server.send_timeout_s
        while (event := await outbox.get()) is not None:
            text = encode_server_event(event, new_id("event"))
            try:
                async with asyncio.timeout(timeout_s):
                    await websocket.send_text(text)
            except TimeoutError as error:
                raise SlowClientError(f"the client took nothing for {timeout_s:g} s") from error
            except (WebSocketDisconnect, RuntimeError):
                outbox.close()
                session.close("closed", "the client disconnected")
                return

    async def _close(self, websocket: WebSocket, code: int, reason: str) -> None:
        """Close politely, or not at all when the client is gone."""
        with contextlib.suppress(WebSocketDisconnect, RuntimeError, TimeoutError):
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await websocket.close(code, _reason(reason))

    def _abort(self, websocket: WebSocket) -> None:
        """Drop the connection; a polite close would wait for the client to read."""
        extension: dict[str, Any] = websocket.scope.get("extensions", {}).get(ABORT_EXTENSION, {})
        abort: Callable[[], None] | None = extension.get("abort")
        if abort is not None:
            abort()


def _reason(text: str) -> str:
    return text.encode()[:MAX_REASON_BYTES].decode(errors="ignore")
