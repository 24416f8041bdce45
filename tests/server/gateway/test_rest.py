"""Everything that is not a call, over real HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from server.config import Config
from server.engine.client import EngineStatus
from server.engine.interface import Reset
from tests.fakes.fake_engine import FakeEngine
from tests.server.gateway.live_server import (
    LiveServer,
    live_server,
    local_config,
    next_event,
    send,
    until,
)

pytestmark = pytest.mark.integration

TYPED = {
    "type": "message",
    "role": "user",
    "content": [{"type": "input_text", "text": "what is this?"}],
}


@asynccontextmanager
async def served(
    engine: FakeEngine | None = None, config: Config | None = None, **headers: str
) -> AsyncIterator[tuple[LiveServer, httpx.AsyncClient]]:
    async with live_server(engine, config) as server, server.http(headers=headers) as http:
        yield server, http


def error_code(response: httpx.Response) -> Any:
    body = response.json()
    assert set(body) == {"error"}
    assert set(body["error"]) == {"message", "type", "param", "code"}
    return body["error"]["code"]


@pytest.mark.asyncio
async def test_health_says_that_the_process_runs_and_ready_that_calls_are_taken() -> None:
    async with served() as (_, http):
        assert (await http.get("/health")).json() == {"status": "ok"}
        ready = await http.get("/ready")
        assert ready.status_code == 200
        assert ready.json() == {
            "ready": True,
            "reason": "",
            "engine": "ready",
            "sessions_open": 0,
            "sessions_limit": 4,
        }


@pytest.mark.asyncio
async def test_ready_is_a_503_with_the_reason_while_the_engine_is_away() -> None:
    async with served() as (server, http):
        server.engine.set_status(EngineStatus.RESTARTING)
        ready = await http.get("/ready")
        assert ready.status_code == 503
        assert "restarted" in ready.json()["reason"]
        assert (await http.get("/health")).status_code == 200


@pytest.mark.asyncio
async def test_metrics_are_prometheus_text() -> None:
    async with served() as (_, http):
        metrics = await http.get("/metrics")
        assert metrics.headers["content-type"].startswith("text/plain")
        assert "omnicall_sessions_open 0.0" in metrics.text
        assert "omnicall_engine_ready 1.0" in metrics.text


@pytest.mark.asyncio
async def test_the_one_model_is_listed_and_found_by_its_names() -> None:
    async with served(FakeEngine(checkpoint="pocket-untrained")) as (_, http):
        listed = (await http.get("/v1/models")).json()
        assert listed["object"] == "list"
        assert [model["id"] for model in listed["data"]] == ["pocket-untrained"]
        assert listed["data"][0]["trained"] is True
        for name in ("pocket-untrained", "pocket", "omnicall"):
            assert (await http.get(f"/v1/models/{name}")).json()["id"] == "pocket-untrained"
        for name in ("gpt-realtime", "a/b", "%20"):
            missing = await http.get(f"/v1/models/{name}")
            assert missing.status_code == 404
            assert error_code(missing) == "model_not_found"


class UnstartedEngine(FakeEngine):
    async def start(self) -> None:
        await asyncio.Event().wait()


@pytest.mark.asyncio
async def test_before_the_checkpoint_is_loaded_its_name_is_known_and_nothing_else() -> None:
    async with served(UnstartedEngine(ready=False)) as (_, http):
        (model,) = (await http.get("/v1/models")).json()["data"]
        assert model["id"] == "pocket"
        assert model["trained"] is None
        ready = (await http.get("/ready")).json()
        assert ready["engine"] == "starting"
        assert "loading" in ready["reason"]


@pytest.mark.asyncio
async def test_sessions_are_listed_shown_and_deleted() -> None:
    async with served() as (server, http):
        assert (await http.get("/v1/realtime/sessions")).json()["data"] == []
        async with server.call() as call:
            session_id = (await next_event(call))["session"]["id"]
            (listed,) = (await http.get("/v1/realtime/sessions")).json()["data"]
            assert listed["id"] == session_id
            assert listed["state"] == "connecting"
            shown = (await http.get(f"/v1/realtime/sessions/{session_id}")).json()
            assert (shown["mode"], shown["language"]) == ("omni", "en")
            deleted = await http.delete(f"/v1/realtime/sessions/{session_id}")
            assert deleted.json()["deleted"] is True
            await until(call, "error")


@pytest.mark.asyncio
async def test_a_reset_makes_one_call_forget_and_leaves_the_other_alone() -> None:
    async with served() as (server, http), server.call() as one, server.call() as other:
        ids = [(await next_event(call))["session"]["id"] for call in (one, other)]
        for call in (one, other):
            await send(call, "conversation.item.create", item={**TYPED, "id": "question"})
            await until(call, "conversation.item.done")
        reset = await http.post(f"/v1/realtime/sessions/{ids[0]}/reset")
        assert reset.status_code == 200
        assert reset.json()["id"] == ids[0]
        assert (await until(one, "conversation.item.deleted"))["item_id"] == "question"
        assert server.engine.submitted(ids[0], Reset)
        assert not server.engine.submitted(ids[1], Reset)
        assert server.engine.remembered(ids[0]) == []
        assert len(server.engine.remembered(ids[1])) == 1


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/realtime/sessions/sess_none"),
        ("DELETE", "/v1/realtime/sessions/sess_none"),
        ("POST", "/v1/realtime/sessions/sess_none/reset"),
    ],
)
async def test_an_unknown_session_is_a_404(method: str, path: str) -> None:
    async with served() as (_, http):
        response = await http.request(method, path)
        assert response.status_code == 404
        assert error_code(response) == "session_not_found"


@pytest.mark.asyncio
async def test_a_key_guards_everything_but_health_and_readiness() -> None:
    config = local_config(server={"api_key": "sesame"})
    async with served(config=config) as (_, http):
        for path in ("/health", "/ready", "/"):
            assert (await http.get(path)).status_code == 200
        for path in ("/metrics", "/v1/models", "/v1/models/fake", "/v1/realtime/sessions"):
            refused = await http.get(path)
            assert refused.status_code == 401
            assert error_code(refused) == "invalid_api_key"
            key = {"Authorization": "Bearer sesame"}
            assert (await http.get(path, headers=key)).status_code == 200
        assert (await http.post("/v1/realtime/sessions/x/reset")).status_code == 401


@pytest.mark.asyncio
async def test_a_caller_with_a_secret_resets_its_own_call_and_is_no_operator() -> None:
    config = local_config(server={"api_key": "sesame"})
    async with served(config=config) as (server, http):
        key = {"Authorization": "Bearer sesame"}
        made = await http.post("/v1/realtime/client_secrets", headers=key)
        secret = {"Authorization": f"Bearer {made.json()['value']}"}
        async with server.call(additional_headers=secret) as call:
            session_id = (await next_event(call))["session"]["id"]
            path = f"/v1/realtime/sessions/{session_id}"
            assert (await http.post(f"{path}/reset", headers=secret)).status_code == 200
            for method, other in (
                ("GET", path),
                ("DELETE", path),
                ("GET", "/v1/realtime/sessions"),
                ("GET", "/metrics"),
            ):
                refused = await http.request(method, other, headers=secret)
                assert refused.status_code == 401
                assert "only places calls" in refused.json()["error"]["message"]


@pytest.mark.asyncio
async def test_pages_of_other_sites_do_not_operate_a_server_without_a_key() -> None:
    async with served(Origin="https://evil.example") as (_, http):
        for path in ("/metrics", "/v1/models", "/v1/realtime/sessions"):
            refused = await http.get(path)
            assert refused.status_code == 403
            assert error_code(refused) == "origin_not_allowed"
        assert (await http.get("/ready")).status_code == 200
