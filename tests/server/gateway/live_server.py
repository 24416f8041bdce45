"""The whole gateway on a loopback port, with a scripted engine behind it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
from fastapi import FastAPI
from websockets.asyncio.client import ClientConnection, connect

from server.app import create_app
from server.clock import SystemClock
from server.config import Config
from server.gateway.http_server import GatewayServer, build_http_server
from tests.fakes.fake_engine import FakeEngine
from tests.fakes.fake_voice_activity import LoudnessVoiceActivity
from tests.server.protocol.openai_dialect import check_server_event

SEND_BUFFER_BYTES = 8192
"""Small, so that a client that does not read is noticed after kilobytes, not megabytes."""
EXTENSION_EVENTS = ("unit.prefilled", "response.timings")


def local_config(**sections: dict[str, Any]) -> Config:
    """Settings for loopback: plain HTTP, and what the test says."""
    server = {"insecure_http": True, "host": "127.0.0.1", "shutdown_grace_s": 2.0}
    return Config.model_validate({**sections, "server": server | sections.get("server", {})})


@dataclass
class LiveServer:
    """A running server."""

    app: FastAPI
    server: GatewayServer
    engine: FakeEngine
    port: int

    @property
    def http_url(self) -> str:
        """Where REST is."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def realtime_url(self) -> str:
        """Where calls are placed."""
        return f"ws://127.0.0.1:{self.port}/v1/realtime"

    def metric(self, name: str, **labels: str) -> float | None:
        """A metric's value."""
        value: float | None = self.app.state.metrics.registry.get_sample_value(name, labels)
        return value

    def http(self, **options: Any) -> httpx.AsyncClient:
        """A client for REST."""
        return httpx.AsyncClient(base_url=self.http_url, **options)

    def call(self, query: str = "", **options: Any) -> Any:
        """A WebSocket, as ``async with``."""
        return connect(self.realtime_url + query, compression=None, **options)


async def send(connection: ClientConnection, name: str, **fields: Any) -> None:
    """Send one client event."""
    await connection.send(json.dumps({"type": name, **fields}))


async def next_event(connection: ClientConnection) -> dict[str, Any]:
    """The next event, checked against the stock client's types."""
    async with asyncio.timeout(20):
        text = await connection.recv()
    assert isinstance(text, str)
    if json.loads(text)["type"] in EXTENSION_EVENTS:
        event: dict[str, Any] = json.loads(text)
        return event
    return check_server_event(text)


async def until(connection: ClientConnection, name: str) -> dict[str, Any]:
    """The next event of this name; others are passed over."""
    while True:
        event = await next_event(connection)
        if event["type"] == name:
            return event


class _AnnouncedServer(GatewayServer):
    """Says when it has started."""

    has_started: asyncio.Event

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.has_started.set()


@asynccontextmanager
async def live_server(
    engine: FakeEngine | None = None, config: Config | None = None, **app_options: Any
) -> AsyncIterator[LiveServer]:
    """Serve until the block ends, then stop in order."""
    engine = engine or FakeEngine()
    config = config or local_config()
    app = create_app(
        config, engine, SystemClock(), new_voice_activity=LoudnessVoiceActivity, **app_options
    )
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
    server = build_http_server(app, config.server, log_level="warning")
    server.__class__ = _AnnouncedServer
    server.has_started = asyncio.Event()
    async with contextlib.AsyncExitStack() as stack, asyncio.TaskGroup() as tasks:
        stack.callback(listener.close)
        tasks.create_task(server.serve(sockets=[listener]))
        await server.has_started.wait()
        try:
            yield LiveServer(app, server, engine, listener.getsockname()[1])
        finally:
            server.should_exit = True
