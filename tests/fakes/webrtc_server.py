"""A server that takes WebRTC calls on loopback."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import httpx

from tests.fakes.fake_engine import FakeEngine, Reply
from tests.server.gateway.live_server import LiveServer, live_server, local_config


@asynccontextmanager
async def webrtc_server(
    replies: Sequence[Reply] | None = None, **sections: dict[str, Any]
) -> AsyncIterator[tuple[LiveServer, httpx.AsyncClient]]:
    """A server and a client of its REST routes."""
    webrtc = {"include_loopback": True} | sections.pop("webrtc", {})
    config = local_config(webrtc=webrtc, **sections)
    engine = FakeEngine() if replies is None else FakeEngine(replies)
    async with live_server(engine, config) as server, server.http(timeout=20) as http:
        yield server, http
