"""Voices a checkpoint brings, chosen by name: from its folder to the system prompt."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from server.engine.interface import Open
from tests.fakes.fake_engine import FakeEngine
from tests.fakes.offers import BROWSER_OFFER
from tests.fakes.voiced_checkpoint import ALAN_S, CLARA_S, voiced_checkpoint
from tests.fakes.webrtc_caller import CALLS, webrtc_call
from tests.integration.conftest import (
    ServerProcess,
    ask,
    dial,
    greedy,
    ready_server,
    send,
    start_server,
    stop_server,
    until,
)
from tests.server.gateway.live_server import LiveServer, live_server, local_config

pytestmark = pytest.mark.integration

START_FAILED = 3
WRONG_START_S = 60
TOKENS_PER_S = 27
"""Of a recording: 25 of sound between two marks."""
KNOWN = "'default', 'alan', 'clara'"
RECORDINGS = {"alan": bytes(64_000), "clara": b"\x01\x00" * 40_000}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return voiced_checkpoint(tmp_path_factory.mktemp("checkpoint") / "voiced")


@pytest.fixture(scope="module")
def server(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """Its sessions begin with clara unless they choose."""
    chosen = ["--checkpoint", str(checkpoint), "--set", "session.voice=clara"]
    with ready_server(tmp_path_factory.mktemp("server"), *chosen) as running:
        yield running


def session_with(voice: Any) -> dict[str, Any]:
    return {"type": "realtime", "audio": {"output": {"voice": voice}}}


# --- a real server, the engine in a process of its own


async def prompt_tokens(server: ServerProcess, **session: Any) -> int:
    """Positions in the context after a typed question: what is before it is the system prompt."""
    async with dial(server) as call:
        await greedy(call, mode="audio", output_modalities=["text"], **session)
        await ask(call, "hello", max_output_tokens=1)
        done = await until(call, "response.done")
        assert done["response"]["status"] in ("completed", "incomplete")
        return int(done["response"]["usage"]["input_tokens"])


@pytest.mark.asyncio
async def test_a_voice_s_recording_is_in_the_system_prompt(server: ServerProcess) -> None:
    chosen = {
        name: await prompt_tokens(server, audio={"output": {"voice": name}})
        for name in ("default", "clara", "alan")
    }
    assert chosen["alan"] - chosen["clara"] == (ALAN_S - CLARA_S) * TOKENS_PER_S
    assert chosen["clara"] > chosen["default"]
    assert await prompt_tokens(server) == chosen["clara"], "the setting's choice"
    stock = {"output": {"voice": "marin"}}
    assert await prompt_tokens(server, audio=stock) == chosen["default"]


@pytest.mark.asyncio
async def test_an_unknown_voice_is_answered_with_those_there_are(server: ServerProcess) -> None:
    async with dial(server) as call:
        created = await until(call, "session.created")
        assert created["session"]["audio"]["output"]["voice"] == "clara"
        await send(call, "session.update", session=session_with("darth"))
        error = (await until(call, "error"))["error"]
        assert error["code"] == "invalid_value"
        assert error["param"] == "session.audio.output.voice"
        assert f"no voice 'darth'; name one of {KNOWN}" in error["message"]
        await send(call, "session.update", session=session_with("alan"))
        updated = await until(call, "session.updated")
        assert updated["session"]["audio"]["output"]["voice"] == "alan"


def test_everyone_is_told_the_voices(server: ServerProcess) -> None:
    info = server.get("/v1/realtime/info").json()
    assert info["voices"] == ["default", "alan", "clara"]
    assert info["defaults"]["voice"] == "clara"


def test_the_command_line_calls_by_name(server: ServerProcess) -> None:
    def call(voice: str) -> tuple[int, dict[str, Any]]:
        command = [sys.executable, "-m", "server", "call", "--url", server.realtime, "--quiet"]
        command += ["--text", "hello", "--greedy", "--max-output-tokens", "4", "--voice", voice]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        return done.returncode, json.loads(done.stdout)

    assert call("alan")[1]["errors"] == []
    code, report = call("darth")
    assert code != 0
    assert KNOWN in report["errors"][0]["message"]


@pytest.mark.parametrize(
    ("setting", "damage", "text"),
    [
        ("alan2", False, "session.voice is 'alan2'; this checkpoint has default, alan, clara"),
        ("default", True, "cannot read the voice"),
    ],
)
def test_a_server_whose_voices_are_wrong_does_not_start_and_says_why(
    tmp_path: Path, setting: str, damage: bool, text: str
) -> None:
    folder = voiced_checkpoint(tmp_path / "voiced")
    if damage:
        (folder / "assets/voices/clara.flac").write_text("no sound")
    running = start_server(
        tmp_path, "--checkpoint", str(folder), "--set", f"session.voice={setting}"
    )
    try:
        assert running.process.wait(WRONG_START_S) == START_FAILED
    finally:
        stop_server(running)
    log = "".join(running.log)
    assert text in log
    assert "Traceback" not in log


# --- every way in, with a scripted engine


def opened_with(server: LiveServer) -> list[bytes]:
    """Voices of the system prompts so far."""
    return [each.spec.voice_pcm for each in server.engine.commands if isinstance(each, Open)]


@pytest.mark.asyncio
async def test_a_secret_s_calls_begin_with_its_voice() -> None:
    engine = FakeEngine(voices=RECORDINGS)
    async with live_server(engine) as server, server.http() as http:
        path = "/v1/realtime/client_secrets"
        refused = await http.post(path, json={"session": session_with("darth")})
        assert refused.status_code == 400
        assert KNOWN in refused.json()["error"]["message"]
        made = (await http.post(path, json={"session": session_with("alan")})).json()
        assert made["session"]["audio"]["output"]["voice"] == "alan"
        bearer = {"Authorization": f"Bearer {made['value']}"}
        async with server.call(additional_headers=bearer) as call:
            created = json.loads(await call.recv())
            assert created["session"]["audio"]["output"]["voice"] == "alan"
            await ask(call, "hello")
            await until(call, "response.done")
            assert opened_with(server) == [RECORDINGS["alan"]]


def test_a_call_over_webrtc_begins_with_its_voice() -> None:
    async def main() -> None:
        config = local_config(webrtc={"include_loopback": True})
        async with (
            live_server(FakeEngine(voices=RECORDINGS), config) as server,
            server.http(timeout=20) as http,
        ):
            async with webrtc_call(http, session_with("clara")) as caller:
                created = caller.all("session.created")[0]["session"]
                assert created["audio"]["output"]["voice"] == "clara"
                content = [{"type": "input_text", "text": "hello"}]
                item = {"type": "message", "role": "user", "content": content}
                caller.send("conversation.item.create", item=item)
                await caller.until("conversation.item.added")
                assert opened_with(server) == [RECORDINGS["clara"]]
            form = {
                "sdp": (None, BROWSER_OFFER, "application/sdp"),
                "session": (None, json.dumps(session_with("darth")), "application/json"),
            }
            refused = await http.post(CALLS, files=form)
            assert refused.status_code == 400
            assert KNOWN in refused.json()["error"]["message"]

    asyncio.run(main())
