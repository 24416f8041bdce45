"""STUN and TURN: what callers are told, and what the server itself asks."""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Any

from aiortc import RTCIceServer

from server.config import WebRtcConfig

TURN_SCHEMES = ("turn:", "turns:")
SERVER_USER = "server"
"""Name under which the server itself uses a relay."""


def ice_servers_for(settings: WebRtcConfig, user_id: str, now: float) -> list[dict[str, Any]]:
    """The configured servers as a browser's `RTCIceServer` dictionaries.

    Relays get credentials that end by themselves: the user name is the time of expiry and the
    caller's name, the password its HMAC-SHA1 under the secret shared with the relay (coturn's
    `use-auth-secret`, draft-uberti-behave-turn-rest).

    Args:
        settings: Its servers, shared secret and time to live count.
        user_id: Names the caller to the relay; holds no colon.
        now: Seconds since 1970.
    """
    stun = [url for url in settings.ice_servers if not url.startswith(TURN_SCHEMES)]
    turn = [url for url in settings.ice_servers if url.startswith(TURN_SCHEMES)]
    servers: list[dict[str, Any]] = []
    if stun:
        servers.append({"urls": stun})
    if turn:
        username = f"{int(now) + settings.turn_ttl_s}:{user_id}"
        servers.append(
            {
                "urls": turn,
                "username": username,
                "credential": turn_credential(settings.turn_secret, username),
            }
        )
    return servers


def turn_credential(secret: str, username: str) -> str:
    """The password of a time-limited user name."""
    digest = hmac.new(secret.encode(), username.encode(), hashlib.sha1).digest()
    return base64.b64encode(digest).decode()


def gathering_servers(settings: WebRtcConfig, now: float) -> list[RTCIceServer]:
    """What the server asks for its own addresses; nothing unless it is told to.

    Never None: aiortc would then ask a public server of its own choice.
    """
    if not settings.gather_from_ice_servers:
        return []
    return [RTCIceServer(**server) for server in ice_servers_for(settings, SERVER_USER, now)]
