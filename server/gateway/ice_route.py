"""`/v1/realtime/ice_servers`: which STUN and TURN servers a page may use, and as whom."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, Response

from server.config import Config
from server.gateway.auth import Access, Caller
from server.gateway.rest import Body, caller_check, error_responses
from server.gateway.webrtc.ice import ice_servers_for

NO_STORE = "no-store"


class IceServersBody(Body):
    """What goes into a browser's `RTCPeerConnection`."""

    ice_servers: list[dict[str, Any]]
    """`RTCIceServer` objects; empty where the server is reached without help."""
    expires_at: int
    """When to ask again, in seconds since 1970."""


def ice_router(config: Config, access: Access, epoch_s: Callable[[], float]) -> APIRouter:
    """`/v1/realtime/ice_servers`."""
    router = APIRouter(tags=["access"])
    let_in = caller_check(config, access.caller)

    @router.get("/v1/realtime/ice_servers", responses=error_responses(401, 403))
    async def list_ice_servers(response: Response, caller: Caller = let_in) -> IceServersBody:
        """Servers that help a call through NAT, with credentials of this caller's own."""
        now_s = epoch_s()
        response.headers["Cache-Control"] = NO_STORE
        return IceServersBody(
            ice_servers=ice_servers_for(config.webrtc, caller.user_id, now_s),
            expires_at=int(now_s) + config.webrtc.turn_ttl_s,
        )

    return router
