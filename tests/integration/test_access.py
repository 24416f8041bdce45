"""The way of a page: a secret in exchange for the key, a call, and a word about it at the end."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI
from openai.types.realtime import ClientSecretCreateResponse
from websockets.exceptions import InvalidStatus

from tests.fakes.fake_engine import FakeEngine, reply
from tests.integration.conftest import ServerProcess, ask, dial, greedy, ready_server, until
from tests.server.gateway.live_server import live_server, local_config
from tests.server.protocol.openai_dialect import SESSION_EXTRAS

pytestmark = pytest.mark.integration

KEY = "sesame"
FOREIGN = "https://evil.example"
SETTINGS = {
    "server.api_key": KEY,
    "feedback.store_content": True,
    "webrtc.ice_servers": "stun:stun.example.org,turn:turn.example.org",
    "webrtc.turn_secret": "shared",
}


def bearing(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


# --- the stock client


@pytest.mark.asyncio
async def test_the_stock_client_makes_a_secret_and_another_calls_with_it() -> None:
    engine = FakeEngine([reply("Yes.", 0.2)])
    async with live_server(engine, local_config(server={"api_key": KEY})) as server:
        base_url = f"{server.http_url}/v1"
        async with AsyncOpenAI(api_key=KEY, base_url=base_url, max_retries=0) as backend:
            made = await backend.realtime.client_secrets.create(
                expires_after={"anchor": "created_at", "seconds": 60},
                session={"type": "realtime", "instructions": "be brief"},
            )
            text = json.dumps(made.to_dict())
            strict = ClientSecretCreateResponse.model_validate_json(text, strict=True)
            assert strict.session.type == "realtime"
            assert strict.session.instructions == "be brief"
            extras = {f"session.{name}" for name in strict.session.model_extra or {}}
            assert extras <= SESSION_EXTRAS
        async with AsyncOpenAI(api_key=made.value, base_url=base_url, max_retries=0) as page:
            async with page.realtime.connect(model="omnicall") as connection:
                created = await connection.recv()
                assert created.type == "session.created"
                assert created.session.instructions == "be brief"
                await connection.response.create()
                while (event := await connection.recv()).type != "response.done":
                    assert event.type != "error"
                assert event.response.status == "completed"
            with pytest.raises(openai.AuthenticationError, match="only places calls"):
                await page.realtime.client_secrets.create()
            with pytest.raises(openai.AuthenticationError, match="only places calls"):
                await page.models.list()


# --- a real server


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("access")


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[ServerProcess]:
    settings = [f"--set={name}={value}" for name, value in SETTINGS.items()]
    with ready_server(folder, *settings) as running:
        yield running


def exported(folder: Path, *options: str) -> str:
    """What the command line says of the feedback."""
    command = [sys.executable, "-m", "server", "feedback", "export"]
    command += ["--database", str(folder / "feedback.sqlite3"), *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.asyncio
async def test_from_the_key_to_the_feedback(server: ServerProcess, folder: Path) -> None:
    origin = server.http
    info = server.get("/v1/realtime/info").json()
    assert info["key_needed"] is True
    wish = {"session": {"type": "realtime", "mode": "audio", "max_output_tokens": 4}}
    made = server.post("/v1/realtime/client_secrets", json=wish, headers=bearing(KEY)).json()
    secret = bearing(made["value"])

    (stun, turn) = server.get("/v1/realtime/ice_servers", headers=secret).json()["ice_servers"]
    assert stun["urls"] == ["stun:stun.example.org"]
    assert turn["username"] and turn["credential"]

    subprotocols: Any = ["realtime", f"openai-insecure-api-key.{made['value']}"]
    async with dial(server, subprotocols=subprotocols, origin=origin) as call:
        session_id = await greedy(call)
        await ask(call, "what is this?")
        answered = await until(call, "response.done")
        assert answered["response"]["max_output_tokens"] == 4
        reset = server.post(f"/v1/realtime/sessions/{session_id}/reset", headers=secret)
        assert reset.json()["mode"] == "audio"

    word = {"call_id": session_id, "rating": "like", "comment": "kind", "transcript": "you: what"}
    given = server.post("/v1/feedback", json=word, headers=secret)
    assert given.status_code == 201
    assert given.json()["stored"] == ["rating", "comment", "transcript"]
    (row,) = map(json.loads, exported(folder).splitlines())
    assert {name: row[name] for name in word} == word
    assert exported(folder, "--format", "csv").splitlines()[1].startswith(f"{session_id},like,")
    assert not [line for line in server.log if "kind" in line or made["value"] in line]


@pytest.mark.asyncio
async def test_strangers_get_nowhere(server: ServerProcess) -> None:
    for headers in ({}, bearing("wrong"), bearing("ek_invented")):
        for path in ("/v1/realtime/client_secrets", "/v1/feedback"):
            word = {"call_id": "call_1", "rating": "like"} if path == "/v1/feedback" else {}
            assert server.post(path, json=word, headers=headers).status_code == 401
        assert server.get("/v1/realtime/ice_servers", headers=headers).status_code == 401
        with pytest.raises(InvalidStatus) as caught:
            async with dial(server, additional_headers=headers, origin=FOREIGN):
                pass
        assert caught.value.response.status_code == 401


def test_feedback_that_cannot_be_stored_leaves_the_server_well(
    server: ServerProcess, folder: Path
) -> None:
    file = folder / "feedback.sqlite3"
    for left in folder.glob("feedback.sqlite3*"):
        left.unlink()
    file.write_bytes(b"broken" * 1000)
    word = {"call_id": "call_1", "rating": "like"}
    refused = server.post("/v1/feedback", json=word, headers=bearing(KEY))
    assert refused.status_code == 503
    assert refused.json()["error"]["code"] == "feedback_unavailable"
    assert [line for line in server.log if "is damaged" in line and str(file) in line]
    assert server.get("/ready").status_code == 200
    file.unlink()
    assert server.post("/v1/feedback", json=word, headers=bearing(KEY)).status_code == 201
