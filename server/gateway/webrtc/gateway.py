"""Calls over WebRTC: who gets in, which calls there are, and how they all end."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from types import TracebackType

from server.config import PlayoutConfig
from server.engine.client import EngineClient
from server.errors import OmnicallError, ServerDrainingError
from server.gateway.auth import Caller, check_model, model_names
from server.gateway.realtime_connection import GatewayContext
from server.gateway.session_settings import opening_settings, session_options
from server.gateway.webrtc.call import Call
from server.gateway.webrtc.call_request import CallRequest
from server.gateway.webrtc.offer import Offer, read_offer
from server.protocol.ids import new_id
from server.protocol.session_object import SessionObject, apply_patch
from server.session.session_manager import SessionManager

CLOSE_TIMEOUT_S = 2.0


class UnknownCallError(OmnicallError):
    """No call has this id."""

    code = "call_not_found"
    http_status = 404


@dataclass(frozen=True, slots=True)
class PlacedCall:
    """A call that is being connected."""

    id: str
    answer: str
    """The SDP answer."""


class WebRtcGateway:
    """Owns the table and the tasks of all WebRTC calls; used as ``async with``.

    The sessions belong to the session manager: a call ends with its session.
    """

    def __init__(
        self, manager: SessionManager, engine: EngineClient, context: GatewayContext
    ) -> None:
        self._manager = manager
        self._engine = engine
        self._context = context
        self._calls: dict[str, Call] = {}
        self._group: asyncio.TaskGroup | None = None
        self._none_open = asyncio.Event()
        self._none_open.set()

    async def __aenter__(self) -> WebRtcGateway:
        """Begin to take calls."""
        self._group = await asyncio.TaskGroup().__aenter__()
        return self

    async def __aexit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End every call and wait until nothing of it is left."""
        assert self._group is not None
        for call in tuple(self._calls.values()):
            call.hang_up()
        group, self._group = self._group, None
        await group.__aexit__(error_type, error, traceback)

    async def closed(self) -> None:
        """Wait until no call is open, but not for callers that do not let go.

        Cancelling is safe.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await self._none_open.wait()

    async def place(
        self, caller: Caller, request: CallRequest, model: str | None = None
    ) -> PlacedCall:
        """Begin a call. Cancelling ends it.

        Args:
            caller: Was let in; brings the settings of an ephemeral secret.
            request: The offer, and changes to those settings.
            model: Name of the model the caller wants.

        Raises:
            OmnicallError: It is refused; nothing was given out.
        """
        config = self._context.config
        offer = read_offer(request.sdp, config.webrtc.max_sdp_bytes)
        names = model_names(config, self._engine.info)
        if request.session is not None:
            model = model or request.session.model
        check_model(model, names)
        settings = opening_settings(config, names[0], caller.session, self._engine.info)
        if request.session is not None:
            settings = apply_patch(settings, request.session, settings, names)
        return await self._begin(offer, settings, names)

    async def resume(self, call_id: str, request: CallRequest) -> PlacedCall:
        """Go on with a call over another peer connection.

        Its session keeps what it has; of the request only the offer counts. Cancelling leaves the
        call as it was.

        Raises:
            UnknownCallError: There is no such call, or it is over.
            ProtocolError: The offer cannot be answered.
        """
        call = self._call(call_id)
        offer = read_offer(request.sdp, self._context.config.webrtc.max_sdp_bytes)
        peer = call.new_peer()
        try:
            answer = await peer.answer(offer)
            self._call(call_id)  # it may have ended meanwhile
        except BaseException:
            await peer.close()
            raise
        call.take(peer)
        return PlacedCall(call_id, answer)

    def hang_up(self, call_id: str) -> None:
        """End a call.

        Raises:
            UnknownCallError: There is no such call, or it is over.
        """
        self._call(call_id).hang_up()

    async def _begin(self, offer: Offer, settings: SessionObject, names: list[str]) -> PlacedCall:
        config = self._context.config
        playout = PlayoutConfig(lead_s=config.webrtc.speech_lead_s)
        session = self._manager.admit(session_options(settings, config), playout)
        call = Call(new_id("rtc"), session, settings, names, self._context)
        peer = call.new_peer()
        try:
            answer = await peer.answer(offer)
            if self._group is None:
                raise ServerDrainingError("the server is shutting down; call another one")
        except BaseException:
            session.close("closed", "the call was not set up")
            await peer.close()
            raise
        self._context.metrics.sessions.inc()
        call.take(peer)
        self._calls[call.id] = call
        self._none_open.clear()
        self._group.create_task(self._live(call), name=call.id)
        return PlacedCall(call.id, answer)

    async def _live(self, call: Call) -> None:
        try:
            await call.run()
        finally:
            del self._calls[call.id]
            if not self._calls:
                self._none_open.set()

    def _call(self, call_id: str) -> Call:
        call = self._calls.get(call_id)
        if call is None or call.is_over:
            raise UnknownCallError(f"there is no call {call_id[:80]!r}, or it is over; place one")
        return call
