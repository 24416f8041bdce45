"""Ephemeral secrets over real HTTP."""

from __future__ import annotations

import time
from typing import Any

import httpx
import pytest

from server.gateway.client_secrets_route import MAX_BODY_BYTES
from tests.server.gateway.live_server import LiveServer, live_server, local_config
from tests.server.gateway.wire_call import base64_of

pytestmark = pytest.mark.integration

PATH = "/v1/realtime/client_secrets"
KEY = {"Authorization": "Bearer sesame"}


async def mint(server: LiveServer, body: Any = None, **headers: str) -> httpx.Response:
    async with server.http(headers=headers) as http:
        return await http.post(PATH, json=body) if body is not None else await http.post(PATH)


async def refusal(server: LiveServer, body: Any, status: int = 400) -> dict[str, Any]:
    answered = await mint(server, body)
    assert answered.status_code == status, answered.text
    error: dict[str, Any] = answered.json()["error"]
    return error


@pytest.mark.asyncio
@pytest.mark.parametrize("body", [None, {}, {"expires_after": None, "session": None}])
async def test_a_secret_without_wishes_lasts_ten_minutes_and_has_the_defaults(body: Any) -> None:
    async with live_server() as server:
        before_s = int(time.time())
        made = await mint(server, body)
        assert made.status_code == 200
        assert made.headers["Cache-Control"] == "no-store"
        secret = made.json()
        assert set(secret) == {"value", "expires_at", "session"}
        assert secret["value"].startswith("ek_")
        assert before_s + 600 <= secret["expires_at"] <= int(time.time()) + 600
        assert secret["session"]["type"] == "realtime"
        assert secret["session"]["model"] == "fake"
        assert secret["session"]["instructions"] == ""


@pytest.mark.asyncio
async def test_the_secret_tells_the_full_configuration_it_was_made_for() -> None:
    session = {
        "type": "realtime",
        "model": "omnicall",
        "instructions": "be brief",
        "output_modalities": ["text"],
        "audio": {"input": {"turn_detection": None}},
        "mode": "audio",
        "language": "zh",
    }
    async with live_server() as server:
        told = (await mint(server, {"session": session})).json()["session"]
        assert told["model"] == "fake"
        for name in ("instructions", "output_modalities", "mode", "language"):
            assert told[name] == session[name]
        assert told["audio"]["input"]["turn_detection"] is None


@pytest.mark.asyncio
@pytest.mark.parametrize("lifetime_s", [10, 600, 7200])
async def test_a_lifetime_within_bounds_is_kept(lifetime_s: int) -> None:
    wish = {"expires_after": {"anchor": "created_at", "seconds": lifetime_s}}
    async with live_server() as server:
        secret = (await mint(server, wish)).json()
        assert abs(secret["expires_at"] - time.time() - lifetime_s) < 60


@pytest.mark.asyncio
async def test_what_cannot_be_met_is_refused_and_named() -> None:
    cases: list[tuple[Any, str]] = [
        ({"expires_after": {"seconds": 9}}, "seconds"),
        ({"expires_after": {"seconds": 7201}}, "seconds"),
        ({"expires_after": {"seconds": "600"}}, "seconds"),
        ({"expires_after": {"anchor": "last_use", "seconds": 600}}, "anchor"),
        ({"expires_in": 600}, "expires_in"),
        ({"session": {}}, "type"),
        ({"session": {"type": "transcription"}}, "type"),
        ({"session": {"type": "realtime", "model": "gpt-realtime"}}, "session.model"),
        ({"session": {"type": "realtime", "tools": [{"type": "function"}]}}, "session.tools"),
        ({"session": {"type": "realtime", "instructions": "x" * 40_000}}, "instructions"),
        ([], "body"),
    ]
    async with live_server() as server:
        for body, named in cases:
            error = await refusal(server, body)
            assert named in f"{error['param']} {error['message']}", error
            assert len(error["message"]) < 500
        async with server.http() as http:
            broken = await http.post(
                PATH, content=b"{", headers={"Content-Type": "application/json"}
            )
            assert broken.status_code == 400


@pytest.mark.asyncio
async def test_a_recorded_voice_fits_and_what_is_larger_does_not() -> None:
    def with_voice(length_s: int) -> dict[str, Any]:
        voice = {"id": "mine", "reference_audio": base64_of(bytes(48_000 * length_s))}
        return {"session": {"type": "realtime", "audio": {"output": {"voice": voice}}}}

    async with live_server() as server:
        made = await mint(server, with_voice(30))
        assert made.json()["session"]["audio"]["output"]["voice"] == "mine"
        assert (await refusal(server, with_voice(31)))["code"] == "invalid_audio"
        large = {"session": {"type": "realtime", "instructions": "x" * MAX_BODY_BYTES}}
        assert (await refusal(server, large, 413))["code"] == "request_too_large"


@pytest.mark.asyncio
async def test_where_there_is_a_key_only_the_key_makes_secrets() -> None:
    async with live_server(config=local_config(server={"api_key": "sesame"})) as server:
        made = await mint(server, {}, **KEY)
        assert made.status_code == 200
        secret = made.json()["value"]
        for headers in ({}, {"Authorization": f"Bearer {secret}"}, {"Authorization": "Bearer x"}):
            refused = await mint(server, {}, **headers)
            assert refused.status_code == 401
            assert refused.json()["error"]["code"] == "invalid_api_key"


@pytest.mark.asyncio
async def test_without_a_key_the_server_s_own_page_gets_one_and_others_do_not() -> None:
    async with live_server() as server:
        assert (await mint(server, {}, Origin=server.http_url)).status_code == 200
        refused = await mint(server, {}, Origin="https://evil.example")
        assert refused.status_code == 403
        assert refused.json()["error"]["code"] == "origin_not_allowed"


@pytest.mark.asyncio
async def test_a_server_full_of_secrets_says_so() -> None:
    async with live_server(config=local_config(access={"max_client_secrets": 1})) as server:
        await mint(server, {})
        error = await refusal(server, {}, 429)
        assert error["code"] == "too_many_client_secrets"
