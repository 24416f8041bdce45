"""The HTTP server under the app."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import httpx
import pytest

from server.app import create_app
from server.clock import SystemClock
from server.config import ServerConfig
from server.gateway.http_server import AbortableWebSocketProtocol, build_http_server
from server.tls import ensure_certificate
from tests.fakes.fake_engine import FakeEngine
from tests.server.gateway.live_server import live_server, local_config
from tests.server.test_app import UnstartableEngine

pytestmark = pytest.mark.integration


def test_limits_come_from_the_settings() -> None:
    config = local_config(server={"max_message_bytes": 70_000, "send_timeout_s": 7.0})
    app = create_app(config, FakeEngine(), SystemClock())
    built = build_http_server(app, config.server, log_level="warning").config
    assert built.ws_max_size == 70_000
    assert built.ws_ping_timeout == 7.0
    assert built.ws is AbortableWebSocketProtocol
    assert not built.ws_per_message_deflate
    assert built.ssl_certfile is None


@pytest.mark.asyncio
async def test_with_a_certificate_it_speaks_https(tmp_path: Path) -> None:
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    ensure_certificate(cert, key, "127.0.0.1")
    tls = {"insecure_http": False, "cert_file": str(cert), "key_file": str(key)}
    async with live_server(config=local_config(server=tls)) as server:
        trusted = ssl.create_default_context(cafile=cert)
        async with httpx.AsyncClient(verify=trusted) as http:
            answer = await http.get(f"https://127.0.0.1:{server.port}/health")
        assert answer.status_code == 200


@pytest.mark.asyncio
async def test_the_port_the_system_chose_is_known() -> None:
    async with live_server() as server:
        assert server.server.bound_port == server.port
        assert server.server.failure == ""


@pytest.mark.asyncio
async def test_without_a_model_for_good_the_server_stops_and_says_why() -> None:
    config = ServerConfig(insecure_http=True, host="127.0.0.1", port=0)
    app = create_app(local_config(), UnstartableEngine(ready=False), SystemClock())
    server = build_http_server(app, config, log_level="error")
    async with asyncio.timeout(20):
        await server.serve()
    assert "tts.emb_text.weight" in server.failure
