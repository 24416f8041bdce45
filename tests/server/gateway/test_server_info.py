"""What a page learns of the server before it calls."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fakes.fake_engine import FakeEngine
from tests.server.gateway.live_server import live_server, local_config

pytestmark = pytest.mark.integration


async def told(engine: FakeEngine | None = None, **sections: dict[str, Any]) -> dict[str, Any]:
    async with live_server(engine, local_config(**sections)) as server, server.http() as http:
        answered = await http.get("/v1/realtime/info", headers={"Origin": "https://evil.example"})
        assert answered.status_code == 200
        info: dict[str, Any] = answered.json()
        return info


@pytest.mark.asyncio
async def test_everyone_is_told_what_the_server_offers() -> None:
    info = await told(FakeEngine(checkpoint="pocket"))
    assert info["key_needed"] is False
    assert (info["model"], info["trained"]) == ("pocket", True)
    assert info["transports"] == ["webrtc", "websocket"]
    assert info["modes"] == ["omni", "audio"]
    assert info["languages"] == ["en", "zh"]
    assert info["voices"] == ["default"]
    assert info["defaults"] == {
        "mode": "omni",
        "language": "en",
        "hd": False,
        "voice": "default",
        "silence_duration_ms": 500,
        "interrupt_response": True,
    }
    assert info["limits"]["sessions"] == 4
    assert info["feedback"]["ratings"] is True
    assert info["feedback"]["content"] is False, "kept only where the operator says so"


@pytest.mark.asyncio
async def test_it_follows_the_settings() -> None:
    info = await told(
        server={"api_key": "sesame"},
        webrtc={"enabled": False},
        session={"mode": "audio", "language": "zh", "hd": True},
        turn={"min_silence_s": 0.75, "interrupt_response": False},
        feedback={"store_content": True},
        checkpoint={"path": "models/somewhere/secret/MiniCPM-o-2_6"},
    )
    assert info["key_needed"] is True, "and it is told without the key"
    assert info["transports"] == ["websocket"]
    assert info["defaults"]["mode"] == "audio"
    assert info["defaults"]["silence_duration_ms"] == 750
    assert info["defaults"]["interrupt_response"] is False
    assert info["feedback"]["content"] is True
    assert "somewhere" not in str(info)


@pytest.mark.asyncio
async def test_without_feedback_no_content_is_promised_either() -> None:
    info = await told(feedback={"enabled": False, "store_content": True})
    assert (info["feedback"]["ratings"], info["feedback"]["content"]) == (False, False)


@pytest.mark.asyncio
async def test_voices_of_the_checkpoint_are_told_once_it_is_loaded() -> None:
    engine = FakeEngine(voices={"alan": b"", "clara": b""})
    info = await told(engine, session={"voice": "alan"})
    assert info["voices"] == ["default", "alan", "clara"]
    assert info["defaults"]["voice"] == "alan"
