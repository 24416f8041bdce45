"""The application as a whole: how it starts, ends, errs and describes itself."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from server.app import create_app
from server.clock import SystemClock
from server.config import Config
from server.engine.client import EngineStatus
from server.errors import EngineUnavailableError
from server.session.options import SessionOptions
from tests.fakes.fake_engine import FakeEngine
from tests.fakes.fake_voice_activity import LoudnessVoiceActivity
from tests.virtual_time import LoopClock, run_virtual

pytestmark = pytest.mark.unit


def app_with(engine: FakeEngine, config: Config | None = None, **options: Any) -> FastAPI:
    return create_app(
        config or Config(),
        engine,
        SystemClock(),
        new_voice_activity=LoudnessVoiceActivity,
        **options,
    )


class RecordingEngine(FakeEngine):
    """Says when it is started and stopped."""

    def __init__(self) -> None:
        super().__init__(ready=False)
        self.log: list[str] = []

    async def start(self) -> None:
        self.log.append("start")
        await super().start()

    async def stop(self) -> None:
        self.log.append("stop")
        await super().stop()


def test_the_lifespan_starts_and_stops_the_engine() -> None:
    engine = RecordingEngine()
    with TestClient(app_with(engine)) as client:
        assert client.get("/health").status_code == 200
        assert engine.log == ["start"]
    assert engine.log == ["start", "stop"]


class SlowEngine(RecordingEngine):
    async def start(self) -> None:
        self.log.append("start")
        try:
            await asyncio.sleep(3600)
        finally:
            self.log.append("start given up")


def test_http_answers_while_the_engine_is_still_starting() -> None:
    engine = SlowEngine()
    with TestClient(app_with(engine)) as client:
        ready = client.get("/ready")
        assert ready.status_code == 503
        assert ready.json()["engine"] == "starting"
    assert engine.log == ["start", "start given up", "stop"]


class UnstartableEngine(FakeEngine):
    async def start(self) -> None:
        self.set_status(EngineStatus.FAILED)
        raise EngineUnavailableError("the checkpoint lacks tts.emb_text.weight")


def test_an_engine_that_cannot_start_is_a_failure_the_server_knows(
    caplog: pytest.LogCaptureFixture,
) -> None:
    app = app_with(UnstartableEngine(ready=False))
    with TestClient(app) as client:
        ready = client.get("/ready").json()
        assert ready["engine"] == "failed"
        assert "tts.emb_text" not in ready["reason"], "strangers need not know"
        assert "tts.emb_text.weight" in app.state.readiness.failure
    assert "tts.emb_text.weight" in caplog.text, "the operator does"


def test_sessions_end_before_the_engine_is_stopped() -> None:
    engine = RecordingEngine()

    async def scenario() -> None:
        app = create_app(Config(), engine, LoopClock(), new_voice_activity=LoudnessVoiceActivity)
        async with app.router.lifespan_context(app):
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            session = app.state.manager.admit(SessionOptions())
            session.append_audio(b"\x00\x00" * 320, 16_000)
            await asyncio.sleep(0.1)
            assert engine.holds(session.id)

            async def watch() -> None:
                async for output in session.outputs():
                    engine.log.append(type(output).__name__)

            reader = asyncio.create_task(watch())
            await asyncio.sleep(0)
        await reader

    run_virtual(scenario())
    assert engine.log == ["start", "SessionEnded", "stop"]


def test_restarts_of_the_engine_are_counted() -> None:
    engine = FakeEngine()
    app = app_with(engine)
    engine.set_status(EngineStatus.RESTARTING)
    sample = app.state.metrics.registry.get_sample_value
    assert sample("omnicall_engine_restarts_total") == 1
    assert sample("omnicall_engine_ready") == 0
    engine.set_status(EngineStatus.READY)
    assert sample("omnicall_engine_restarts_total") == 1
    assert sample("omnicall_engine_ready") == 1


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/nothing", 404), ("POST", "/health", 405), ("GET", "/v1/nothing", 404)],
)
def test_what_is_not_there_is_an_error_in_the_same_shape(
    method: str, path: str, status: int
) -> None:
    with TestClient(app_with(FakeEngine())) as client:
        response = client.request(method, path)
        assert response.status_code == status
        assert set(response.json()) == {"error"}
        if status == 405:
            assert "GET" in response.headers["allow"]


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/v1/realtime/sessions/x/reset", "POST"),
        ("PUT", "/v1/realtime/sessions/x", "DELETE, GET"),
        ("HEAD", "/health", "GET"),
    ],
)
def test_the_pages_do_not_hide_which_methods_a_path_has(
    method: str, path: str, allowed: str
) -> None:
    with TestClient(app_with(FakeEngine())) as client:
        response = client.request(method, path)
        assert response.status_code == 405
        assert response.headers["allow"] == allowed


def test_a_fault_of_ours_is_a_500_without_internals() -> None:
    app = app_with(FakeEngine(), web_client=Path("/nonexistent"))

    @app.get("/broken")
    async def broken() -> None:
        raise KeyError("secret internals")

    @app.get("/picky")
    async def picky(n: int) -> int:
        return n

    with TestClient(app, raise_server_exceptions=False) as client:
        response = client.get("/broken")
        assert response.status_code == 500
        assert "secret" not in response.text
        assert response.json()["error"]["code"] == "server_error"
        picked = client.get("/picky", params={"n": "x"})
        assert picked.status_code == 400
        assert picked.json()["error"]["param"] == "query.n"


def test_without_a_folder_of_pages_there_are_none(tmp_path: Path) -> None:
    with TestClient(app_with(FakeEngine(), web_client=tmp_path / "none")) as client:
        assert client.get("/").status_code == 404
    (tmp_path / "index.html").write_text("<p>hello")
    with TestClient(app_with(FakeEngine(), web_client=tmp_path)) as client:
        assert client.get("/").text == "<p>hello"


def test_openapi_describes_what_is_there_and_nothing_else() -> None:
    app = app_with(FakeEngine())
    schema = app.openapi()
    assert app.openapi() is schema
    assert set(schema["paths"]) == {
        "/health",
        "/ready",
        "/metrics",
        "/v1/models",
        "/v1/models/{model}",
        "/v1/realtime/sessions",
        "/v1/realtime/sessions/{session_id}",
        "/v1/realtime/sessions/{session_id}/reset",
        "/v1/realtime/info",
        "/v1/realtime/client_secrets",
        "/v1/realtime/calls",
        "/v1/realtime/calls/{call_id}/hangup",
        "/v1/realtime/ice_servers",
        "/v1/feedback",
    }
    assert "422" not in json.dumps(schema)
    assert "securitySchemes" not in schema["components"]
    keyed = app_with(FakeEngine(), Config.model_validate({"server": {"api_key": "k"}})).openapi()
    assert "securitySchemes" in keyed["components"]


def test_a_page_of_an_allowed_site_may_read_the_answers_and_others_may_not() -> None:
    config = Config.model_validate({"access": {"allowed_origins": ["https://shop.example"]}})
    path = "/v1/realtime/client_secrets"
    with TestClient(app_with(FakeEngine(), config)) as client:
        question = {
            "Origin": "https://shop.example",
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization,content-type",
        }
        assert client.options(path, headers=question).status_code == 200
        made = client.post(path, headers={"Origin": "https://shop.example"})
        assert made.status_code == 200
        assert made.headers["Access-Control-Allow-Origin"] == "https://shop.example"
        foreign = client.post(path, headers={"Origin": "https://evil.example"})
        assert foreign.status_code == 403
        assert "Access-Control-Allow-Origin" not in foreign.headers


def test_two_apps_share_nothing() -> None:
    one, other = app_with(FakeEngine()), app_with(FakeEngine())
    one.state.metrics.sessions.inc()
    assert other.state.metrics.registry.get_sample_value("omnicall_sessions_total") == 0
    assert one.state.manager is not other.state.manager
