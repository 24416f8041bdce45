"""Requests for calls over HTTP: what is answered, and what is refused how."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from server.engine.client import EngineStatus
from tests.fakes.offers import BROWSER_OFFER
from tests.fakes.webrtc_caller import CALLS, Caller, webrtc_call
from tests.fakes.webrtc_server import webrtc_server

pytestmark = pytest.mark.integration

SDP_HEADERS = {"Content-Type": "application/sdp"}


def error(response: httpx.Response) -> tuple[int, str]:
    """Status and code of a refusal."""
    body = response.json()
    assert set(body) == {"error"}
    return response.status_code, body["error"]["code"]


async def post(http: httpx.AsyncClient, content: str | bytes, **options: Any) -> tuple[int, str]:
    options.setdefault("headers", SDP_HEADERS)
    return error(await http.post(CALLS, content=content, **options))


def test_a_call_is_answered_with_its_place_and_hung_up_there() -> None:
    async def main() -> None:
        async with webrtc_server() as (server, http):
            caller = Caller()
            response = await caller.dial(http)
            assert response.status_code == 201
            assert response.headers["content-type"].startswith("application/sdp")
            assert response.headers["location"] == f"{CALLS}/{caller.call_id}"
            assert "a=max-message-size:262144" in response.text
            assert "opus/48000/2" in response.text
            assert "PCMU" not in response.text
            await caller.opened()
            assert server.metric("omnicall_sessions_total") == 1
            hung_up = await http.post(f"{CALLS}/{caller.call_id}/hangup")
            assert (hung_up.status_code, hung_up.content) == (200, b"")
            async with asyncio.timeout(5):
                await caller.closed.wait()
            again = await http.post(f"{CALLS}/{caller.call_id}/hangup")
            assert error(again) == (404, "call_not_found")
            await caller.close()

    asyncio.run(main())


def test_the_session_part_configures_the_call() -> None:
    async def main() -> None:
        session = {"type": "realtime", "instructions": "Be brief.", "mode": "audio"}
        async with webrtc_server() as (_, http), webrtc_call(http, session) as caller:
            created = caller.all("session.created")[0]["session"]
            assert (created["instructions"], created["mode"]) == ("Be brief.", "audio")

    asyncio.run(main())


def test_bad_requests_are_refused_with_what_is_wrong() -> None:
    async def main() -> None:
        async with webrtc_server() as (server, http):
            no_audio = BROWSER_OFFER.replace("m=audio", "m=text")
            many = BROWSER_OFFER + "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n" * 47
            assert await post(http, "hello") == (400, "invalid_offer")
            assert await post(http, no_audio) == (400, "invalid_offer")
            assert await post(http, many) == (400, "invalid_offer")
            assert await post(http, BROWSER_OFFER + "a=x:y\r\n" * 150_000) == (
                413,
                "request_too_large",
            )
            assert await post(http, b"v" * 8 * 2**20) == (413, "request_too_large")
            assert await post(http, "{}", headers={"Content-Type": "application/json"}) == (
                415,
                "unsupported_media_type",
            )
            other = {"params": {"model": "gpt-9"}}
            assert await post(http, BROWSER_OFFER, **other) == (404, "model_not_found")
            files = {"sdp": (None, BROWSER_OFFER), "session": (None, '{"voice": 7}')}
            assert error(await http.post(CALLS, files=files)) == (400, "invalid_value")
            gone = {"params": {"call_id": "rtc_gone"}}
            assert await post(http, BROWSER_OFFER, **gone) == (404, "call_not_found")
            assert server.metric("omnicall_sessions_refused_total", code="invalid_offer") == 3
            assert not server.app.state.manager.list()

    asyncio.run(main())


def test_an_offer_only_aiortc_finds_fault_with_gives_no_session_out() -> None:
    async def main() -> None:
        async with webrtc_server() as (server, http):
            without_mux = BROWSER_OFFER.replace("a=rtcp-mux\r\n", "")
            assert await post(http, without_mux) == (400, "invalid_offer")
            async with asyncio.timeout(5):
                while server.app.state.manager.list():  # noqa: ASYNC110 - nothing announces it
                    await asyncio.sleep(0.01)

    asyncio.run(main())


def test_a_full_a_starting_and_a_locked_server_say_so() -> None:
    async def main() -> None:
        limits = {"session": {"max_sessions": 1}}
        async with webrtc_server(**limits) as (server, http), webrtc_call(http):
            assert await post(http, BROWSER_OFFER) == (503, "server_full")
            server.engine.set_status(EngineStatus.RESTARTING)
            assert await post(http, BROWSER_OFFER) == (503, "engine_unavailable")
        async with webrtc_server(server={"api_key": "sesame"}) as (_, http):
            assert await post(http, BROWSER_OFFER) == (401, "invalid_api_key")
            unknown = await http.post(f"{CALLS}/rtc_x/hangup")
            assert error(unknown) == (401, "invalid_api_key")
            caller = Caller()
            response = await caller.dial(http, headers={"Authorization": "Bearer sesame"})
            assert response.status_code == 201
            await caller.close()

    asyncio.run(main())


def test_without_webrtc_there_is_no_such_route() -> None:
    async def main() -> None:
        async with webrtc_server(webrtc={"enabled": False}) as (_, http):
            response = await http.post(CALLS, content=BROWSER_OFFER, headers=SDP_HEADERS)
            assert response.status_code in (404, 405)

    asyncio.run(main())
