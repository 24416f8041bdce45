"""Hostile clients of a real server: each gets a clear error, and costs nobody else anything.

While a client misbehaves, a well-behaved call goes on in the same server, and every one of its
answers must be the one it gets alone.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import io
import json
import shutil
import socket
import ssl
import struct
import subprocess
import sys
import zlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.frames import Frame, Opcode

from model.audio_features import log_mel
from tests.integration.conftest import (
    GOLDEN,
    ServerProcess,
    ask,
    dial,
    greedy,
    ready_server,
    send,
    trusting,
    until,
)

pytestmark = pytest.mark.integration

KEY = "sesame"
WITH_KEY = {"Authorization": f"Bearer {KEY}"}
MAX_SESSIONS = 3
MAX_BACKLOG_S = 5
SEND_TIMEOUT_S = 2.0
SETTINGS = {
    "server.api_key": KEY,
    "server.send_timeout_s": SEND_TIMEOUT_S,
    "session.max_sessions": MAX_SESSIONS,
    "session.max_backlog_s": MAX_BACKLOG_S,
}
RATE_HZ = 24_000
START_FAILED = 3
MANUAL_TURNS = {"audio": {"input": {"turn_detection": None}}}

Answer = tuple[str, bytes]
"""Transcript and speech."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server with a key, little room and little patience."""
    settings = [f"--set={name}={value}" for name, value in SETTINGS.items()]
    with ready_server(tmp_path_factory.mktemp("server"), *settings) as running:
        yield running


def call_with_key(server: ServerProcess, query: str = "") -> Any:
    return dial(server, query, additional_headers=WITH_KEY)


async def answer(call: ClientConnection) -> Answer:
    """Ask the question of every call here and take the whole answer."""
    await ask(call, "What is it that you see?", max_output_tokens=16)
    return await spoken(call)


async def spoken(call: ClientConnection) -> Answer:
    """The whole answer that is on its way."""
    transcript, speech = "", b""
    while True:
        event = await until(
            call,
            "response.output_audio.delta",
            "response.output_audio_transcript.done",
            "response.done",
        )
        if event["type"] == "response.output_audio.delta":
            speech += base64.b64decode(event["delta"])
        elif event["type"] == "response.output_audio_transcript.done":
            transcript = event["transcript"]
        else:
            assert event["response"]["status"] in ("completed", "incomplete"), event
            return transcript, speech


@pytest.fixture(scope="module")
def alone(server: ServerProcess) -> Answer:
    """The answer a call gets when it is the only one."""

    async def hold() -> Answer:
        async with call_with_key(server) as call:
            await greedy(call, **MANUAL_TURNS)
            return await answer(call)

    transcript, speech = asyncio.run(hold())
    assert transcript and speech
    return transcript, speech


@asynccontextmanager
async def neighbour(server: ServerProcess, alone: Answer) -> AsyncIterator[None]:
    """A call that asks, forgets and asks again while the block runs, and once afterwards."""
    is_over = asyncio.Event()
    has_begun = asyncio.Event()

    async def converse(call: ClientConnection, session_id: str) -> None:
        while True:
            is_last = is_over.is_set()
            has_begun.set()
            assert await answer(call) == alone
            if is_last:
                return
            path = f"/v1/realtime/sessions/{session_id}/reset"
            response = await asyncio.to_thread(server.post, path, headers=WITH_KEY)
            assert response.status_code == httpx.codes.OK

    async with call_with_key(server) as call, asyncio.TaskGroup() as tasks:
        session_id = await greedy(call, **MANUAL_TURNS)
        tasks.create_task(converse(call, session_id))
        await has_begun.wait()
        try:
            yield
        finally:
            is_over.set()


@asynccontextmanager
async def hostile(server: ServerProcess) -> AsyncIterator[ClientConnection]:
    """A call that is about to misbehave."""
    async with call_with_key(server) as call:
        await greedy(call, **MANUAL_TURNS)
        yield call


async def only_sessions_left(server: ServerProcess, n_sessions: int) -> None:
    """Wait until no more than this many are open; nothing announces the end of one."""
    async with asyncio.timeout(20):
        while True:
            ready = await asyncio.to_thread(server.get, "/ready")
            if ready.json()["sessions_open"] <= n_sessions:
                return
            await asyncio.sleep(0.05)


# --- one bad event


def text_of(content: bytes) -> str:
    return base64.b64encode(content).decode()


def png_of_size(width: int, height: int) -> bytes:
    """A PNG whose header claims a size, with no pixels behind it."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", b""), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in chunks
    )


def truncated_jpeg() -> bytes:
    file = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    Image.fromarray(noise).save(file, "JPEG")
    return file.getvalue()[: len(file.getvalue()) // 2]


@dataclass(frozen=True)
class BadEvent:
    """What a client sends, and what it must be told."""

    name: str
    message: str
    code: str
    remedy: str
    """Part of the error's text that says what to do."""
    param: str | None = None

    @property
    def event_id(self) -> str | None:
        """What the error must refer to; None where the message cannot be read."""
        return "bad" if '"event_id": "bad"' in self.message else None


def bad(name: str, code: str, remedy: str, param: str | None, /, **event: Any) -> BadEvent:
    return BadEvent(name, json.dumps({"event_id": "bad", **event}), code, remedy, param)


def bad_audio(name: str, code: str, remedy: str, audio: str) -> BadEvent:
    return bad(name, code, remedy, "audio", type="input_audio_buffer.append", audio=audio)


def bad_image(name: str, code: str, remedy: str, image: bytes) -> BadEvent:
    data_uri = "data:image/png;base64," + text_of(image)
    return bad(name, code, remedy, "image", type="input_image_buffer.append", image=data_uri)


FLOAT_FORMAT = {"type": "audio/pcm_f32", "rate": RATE_HZ}
BAD_EVENTS = [
    BadEvent("malformed JSON", '{"type": "response.cr', "invalid_json", "send one JSON object"),
    BadEvent("a NaN in JSON", '{"type": NaN}', "invalid_json", "send one JSON object"),
    BadEvent(
        "JSON that is no object", '["response.create"]', "invalid_json", "send one JSON object"
    ),
    bad("an event without a type", "missing_required_parameter", "name its event", "type"),
    bad("an unknown event", "unknown_event_type", "known are", "type", type="response.shout"),
    bad_audio("wrong base64", "invalid_base64", "send the standard alphabet", "not/base64!"),
    bad_audio("an odd byte count", "invalid_audio", "an even number of bytes", text_of(b"abc")),
    bad_audio("20 MB of audio", "invalid_value", "at most", "A" * 20_000_000),
    bad_audio("a minute at once", "audio_too_fast", "smaller pieces", text_of(bytes(2_880_000))),
    bad_image("a 20 MB frame", "image_too_large", "send a smaller", bytes(20_000_000 * 3 // 4)),
    bad_image("a 0x0 image", "invalid_image", "has no pixels", png_of_size(0, 0)),
    bad_image("a 30,000 pixel image", "image_too_large", "may exceed", png_of_size(30_000, 10)),
    bad_image("a bomb of pixels", "image_too_large", "at most", png_of_size(8_000, 8_000)),
    bad_image("a truncated JPEG", "invalid_image", "send a complete file", truncated_jpeg()),
    bad_image("no image at all", "unsupported_image_format", "JPEG, PNG", b"GIF89a" + bytes(40)),
    bad(
        "audio that could hold NaN",
        "invalid_value",
        "'audio/pcm'",
        "session.audio.input.format",
        type="session.update",
        session={"type": "realtime", "audio": {"input": {"format": FLOAT_FORMAT}}},
    ),
    bad(
        "commit of an empty buffer",
        "input_audio_buffer_commit_empty",
        "append some first",
        None,
        type="input_audio_buffer.commit",
    ),
    bad(
        "cancel with no answer under way",
        "response_cancel_not_active",
        "cancel between",
        None,
        type="response.cancel",
    ),
]


@pytest.mark.asyncio
@pytest.mark.parametrize("event", BAD_EVENTS, ids=lambda event: event.name)
async def test_a_bad_event_is_told_and_both_calls_go_on(
    server: ServerProcess, alone: Answer, event: BadEvent
) -> None:
    async with neighbour(server, alone), hostile(server) as call:
        await call.send(event.message)
        error = (await until(call, "error"))["error"]
        assert (error["code"], error["param"]) == (event.code, event.param)
        assert event.remedy in error["message"], error["message"]
        assert len(error["message"]) < 1000, "the client's own words are not echoed at length"
        assert (error["type"], error["event_id"]) == ("invalid_request_error", event.event_id)
        assert await answer(call) == alone, "a refused event leaves no trace"


def test_nan_audio_does_not_reach_the_model() -> None:
    clip = torch.zeros(16_000)
    clip[8_000] = torch.nan
    with pytest.raises(ValueError, match="NaN"):
        log_mel(clip)


# --- a bad order of good events


@pytest.mark.asyncio
async def test_a_second_answer_is_refused_and_the_first_is_given_to_its_end(
    server: ServerProcess, alone: Answer
) -> None:
    async with neighbour(server, alone), hostile(server) as call:
        await ask(call, "What is it that you see?", max_output_tokens=16)
        await send(call, "response.create", event_id="second")
        error = (await until(call, "error"))["error"]
        assert error["code"] == "conversation_already_has_active_response"
        assert error["event_id"] == "second"
        assert "wait for its end" in error["message"]
        assert await spoken(call) == alone


@pytest.mark.asyncio
async def test_audio_faster_than_real_time_is_bounded_and_then_refused(
    server: ServerProcess, alone: Answer
) -> None:
    second = text_of(bytes(2 * RATE_HZ))
    n_sent = 4 * MAX_BACKLOG_S
    async with neighbour(server, alone), call_with_key(server) as call:
        session_id = await greedy(call, **MANUAL_TURNS)
        started_s = asyncio.get_running_loop().time()
        for number in range(n_sent):
            await send(call, "input_audio_buffer.append", event_id=f"second {number}", audio=second)
        await send(call, "input_audio_buffer.clear")
        errors = []
        while (event := await until(call, "error", "input_audio_buffer.cleared"))[
            "type"
        ] == "error":
            errors.append(event["error"])
        took_s = asyncio.get_running_loop().time() - started_s
        assert {error["code"] for error in errors} == {"audio_too_fast"}
        assert all("send at real-time pace" in error["message"] for error in errors)
        path = f"/v1/realtime/sessions/{session_id}"
        heard = (await asyncio.to_thread(server.get, path, headers=WITH_KEY)).json()
        assert MAX_BACKLOG_S <= heard["audio_in_s"] <= MAX_BACKLOG_S + took_s
        assert len(errors) == n_sent - heard["audio_in_s"], "all of a piece is taken, or nothing"
        assert (await answer(call))[0]


# --- ends of the connection


@pytest.mark.asyncio
async def test_a_message_beyond_the_limit_is_the_end_of_its_call_alone(
    server: ServerProcess, alone: Answer
) -> None:
    async with neighbour(server, alone), hostile(server) as call:
        with pytest.raises(ConnectionClosed) as caught:
            await call.send(b"\0" * (24 * 1024 * 1024 + 1))
            await call.recv()
        assert caught.value.rcvd is not None
        assert caught.value.rcvd.code == 1009


def talk_without_reading(server: ServerProcess) -> ssl.SSLSocket:
    """A connection on which the server has megabytes to send, and nobody takes them."""
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    raw.settimeout(20)
    raw.connect(("127.0.0.1", server.port))
    session = {"type": "realtime", "instructions": "be brief " * 3000}
    update = json.dumps({"type": "session.update", "session": session}).encode()
    frame = Frame(Opcode.TEXT, update).serialize(mask=True)
    secure = trusting().wrap_socket(raw)
    secure.sendall(
        b"GET /v1/realtime HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
        b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        b"Authorization: Bearer " + KEY.encode() + b"\r\n\r\n"
    )
    assert secure.recv(12) == b"HTTP/1.1 101"
    for _ in range(400):
        secure.sendall(frame)
    return secure


def is_cut_off(mute: ssl.SSLSocket) -> bool:
    """Whether nothing more comes after what the client's system had taken."""
    with contextlib.suppress(ConnectionError, ssl.SSLEOFError):
        while mute.recv(65_536):
            pass
    return True


@pytest.mark.asyncio
async def test_a_client_that_never_reads_is_dropped(server: ServerProcess, alone: Answer) -> None:
    await only_sessions_left(server, 0)
    async with neighbour(server, alone):
        with await asyncio.to_thread(talk_without_reading, server) as mute:
            await only_sessions_left(server, 1)
            assert await asyncio.to_thread(is_cut_off, mute)
    assert any("the client took nothing" in line for line in server.log)


# --- refused before the upgrade


async def refusal(call: Any) -> tuple[int, dict[str, Any], httpx.Headers]:
    """Status, error and headers of a call that is not taken."""
    with pytest.raises(InvalidStatus) as caught:
        async with call:
            pass
    response = caught.value.response
    headers = httpx.Headers(list(response.headers.raw_items()))
    return response.status_code, json.loads(response.body or b"")["error"], headers


@pytest.mark.asyncio
async def test_a_wrong_key_and_a_wrong_model_do_not_get_in(
    server: ServerProcess, alone: Answer
) -> None:
    async with neighbour(server, alone):
        for headers in ({}, {"Authorization": "Bearer open"}):
            status, error, answered = await refusal(dial(server, additional_headers=headers))
            assert (status, error["code"]) == (401, "invalid_api_key")
            assert "Authorization: Bearer" in error["message"]
            assert answered["WWW-Authenticate"] == "Bearer"
        assert server.get("/v1/realtime/sessions").status_code == 401
        status, error, _ = await refusal(call_with_key(server, "?model=gpt-realtime"))
        assert (status, error["code"]) == (404, "model_not_found")
        assert "'omnicall'" in error["message"], "it names what to ask for"


@pytest.mark.asyncio
async def test_an_unknown_session_is_a_404(server: ServerProcess, alone: Answer) -> None:
    path = f"{server.http}/v1/realtime/sessions/sess_nobody"
    requests = [("GET", path), ("DELETE", path), ("POST", f"{path}/reset")]
    async with neighbour(server, alone), httpx.AsyncClient(verify=False) as http:
        for method, url in requests:
            response = await http.request(method, url, headers=WITH_KEY)
            error = response.json()["error"]
            assert (response.status_code, error["code"]) == (404, "session_not_found")
            assert "GET /v1/realtime/sessions" in error["message"]


@pytest.mark.asyncio
async def test_a_full_server_turns_callers_away_until_one_hangs_up(
    server: ServerProcess, alone: Answer
) -> None:
    await only_sessions_left(server, 0)
    async with neighbour(server, alone), hostile(server) as call:
        async with hostile(server):
            status, error, answered = await refusal(call_with_key(server))
            assert (status, error["code"]) == (503, "server_full")
            assert "try again later" in error["message"]
            assert int(answered["Retry-After"]) > 0
        await only_sessions_left(server, MAX_SESSIONS - 1)
        async with hostile(server) as next_call:
            assert await answer(next_call) == alone
        assert await answer(call) == alone


# --- a checkpoint that cannot be served


def test_a_checkpoint_with_a_tensor_missing_is_named_and_not_served(tmp_path: Path) -> None:
    folder = tmp_path / "checkpoint"
    shutil.copytree(GOLDEN, folder, ignore=shutil.ignore_patterns("*.npz", "model.safetensors"))
    tensors = load_file(GOLDEN / "model.safetensors")
    missing = "llm.model.layers.0.self_attn.q_proj.weight"
    del tensors[missing]
    save_file(tensors, folder / "model.safetensors")
    before = set(psutil.Process().children(recursive=True))
    command = [sys.executable, "-m", "server", "serve", "--host", "127.0.0.1", "--port", "0"]
    command += ["--checkpoint", str(folder), "--set", "engine.placement=process"]
    command += ["--set", f"server.cert_file={tmp_path / 'cert.pem'}"]
    command += ["--set", f"server.key_file={tmp_path / 'key.pem'}"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert ended.returncode == START_FAILED, ended.stderr
    assert missing in ended.stderr
    assert "Traceback" not in ended.stderr
    assert set(psutil.Process().children(recursive=True)) <= before, "no process stays behind"
