"""The caller against a scripted server, on real sockets."""

from __future__ import annotations

import asyncio
import json
from http import HTTPStatus
from typing import Any

import numpy as np
import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response

from server.cli import call_client
from server.cli.call_client import CallClient, CallError, CallOptions
from server.cli.call_media import WIRE_RATE_HZ, Recording
from server.cli.call_report import CallReport
from server.clock import SystemClock
from tests.fakes.media_files import tone
from tests.fakes.scripted_server import Event, Script, ScriptedCall, scripted_server

pytestmark = pytest.mark.integration

ANSWER = tone(0.5, WIRE_RATE_HZ).tobytes()
SHORT = Recording(tone(0.2, WIRE_RATE_HZ))


def place(script: Script, recording: Recording, **options: Any) -> tuple[CallReport, ScriptedCall]:
    async def hold() -> tuple[CallReport, ScriptedCall]:
        async with scripted_server(script) as (url, calls):
            client = CallClient(CallOptions(url=url, **options), SystemClock())
            async with asyncio.timeout(20):
                return await client.place(recording), calls[0]

    return asyncio.run(hold())


async def answer_when_asked(call: ScriptedCall, event: Event) -> None:
    if event["type"] == "response.create":
        await call.answer("hello", ANSWER)


def test_a_manual_turn_sends_everything_then_asks() -> None:
    report, call = place(answer_when_asked, SHORT, manual_turn=True, mode="audio")
    assert call.kinds() == [
        "session.update",
        "input_audio_buffer.append",
        "input_audio_buffer.commit",
        "response.create",
    ]
    assert call.audio() == SHORT.pcm.tobytes()
    session = call.received[0]["session"]
    assert session["audio"]["input"]["turn_detection"] is None
    assert session["mode"] == "audio"
    (turn,) = report.turns
    assert (turn.transcript, bytes(turn.pcm), turn.status) == ("hello", ANSWER, "completed")
    assert (turn.eou_delay_s, turn.rtf) == (0.52, 0.4)
    assert turn.ttft_s is not None and turn.ttfa_s is not None and turn.ttfa_s >= turn.ttft_s
    assert report.checkpoint == "pocket-untrained"
    assert report.errors == []


def test_every_second_of_a_video_call_carries_its_picture() -> None:
    recording = Recording(tone(2.0, WIRE_RATE_HZ), (b"first", b"second"))
    _, call = place(answer_when_asked, recording, manual_turn=True)
    sent, pictures = 0, []
    for event in call.received:
        if event["type"] == "input_audio_buffer.append":
            sent += len(event["audio"]) * 3 // 4 // 2
        if event["type"] == "input_image_buffer.append":
            pictures.append(sent / WIRE_RATE_HZ)
    assert len(pictures) == 2
    for second, at_s in enumerate(pictures):
        assert second < at_s < second + 1, "the picture must arrive within its own second"


def test_a_typed_question_needs_no_audio() -> None:
    silent = Recording(np.empty(0, np.int16))
    report, call = place(answer_when_asked, silent, text="what is this?", mode="audio")
    assert call.kinds() == ["session.update", "conversation.item.create", "response.create"]
    content = call.received[1]["item"]["content"]
    assert content == [{"type": "input_text", "text": "what is this?"}]
    assert report.turns[0].transcript == "hello"


def test_silence_follows_the_question_until_the_server_hears_the_end() -> None:
    async def hear(call: ScriptedCall, event: Event) -> None:
        if len(call.audio()) >= 2 * 0.6 * WIRE_RATE_HZ and "heard" not in vars(call):
            vars(call)["heard"] = True
            await call.send("input_audio_buffer.speech_stopped")
            await call.answer("hello", ANSWER)

    report, call = place(hear, SHORT, voice="ada", instructions="", language="zh")
    assert call.kinds() == ["session.update", "input_audio_buffer.append"]
    assert not any(call.audio()[len(SHORT.pcm) * 2 :]), "only silence follows the question"
    session = call.received[0]["session"]
    assert session["audio"]["output"]["voice"] == "ada"
    assert (session["instructions"], session["language"]) == ("", "zh")
    assert "turn_detection" not in session["audio"]["input"]
    assert report.turns[0].transcript == "hello"


def test_a_question_taken_for_two_turns_is_reported_as_one() -> None:
    async def interrupt(call: ScriptedCall, event: Event) -> None:
        if event["type"] == "response.create":
            await call.send("response.output_audio_transcript.delta", delta="too early")
            details = {"type": "cancelled", "reason": "turn_detected"}
            await call.send(
                "response.done",
                response={"id": "r", "status": "cancelled", "status_details": details},
            )
            await call.answer("hello", ANSWER)

    report, _ = place(interrupt, SHORT, manual_turn=True)
    assert [turn.transcript for turn in report.turns] == ["hello"]


def test_repeated_turns_are_held_in_one_session() -> None:
    report, call = place(answer_when_asked, SHORT, manual_turn=True, repeat=3)
    assert len(report.turns) == 3
    assert call.kinds().count("session.update") == 1
    assert report.pcm() == ANSWER * 3


def test_late_units_are_counted() -> None:
    async def prefill(call: ScriptedCall, event: Event) -> None:
        if event["type"] == "response.create":
            for late in (False, True):
                await call.send("unit.prefilled", unit_index=0, late=late)
            await call.answer("hello", ANSWER)

    report, _ = place(prefill, SHORT, manual_turn=True)
    assert (report.units_sent, report.units_late) == (2, 1)


def test_a_refused_question_ends_the_turn_and_is_reported() -> None:
    async def refuse(call: ScriptedCall, event: Event) -> None:
        if event["type"] == "response.create":
            await call.send("error", error={"code": "engine_busy", "message": "try later"})

    report, _ = place(refuse, SHORT, manual_turn=True)
    assert report.errors == [{"code": "engine_busy", "message": "try later"}]


def test_a_failed_answer_is_reported() -> None:
    async def fail(call: ScriptedCall, event: Event) -> None:
        if event["type"] == "response.create":
            error = {"code": "engine_failed", "message": "the engine was restarted"}
            await call.send(
                "response.done",
                response={"status": "failed", "status_details": {"type": "failed", "error": error}},
            )

    report, _ = place(fail, SHORT, manual_turn=True)
    assert report.errors[0]["code"] == "engine_failed"


def test_no_answer_in_time_is_reported() -> None:
    async def say_nothing(call: ScriptedCall, event: Event) -> None:
        return

    report, _ = place(say_nothing, SHORT, manual_turn=True, answer_timeout_s=0.3)
    assert report.errors[0]["code"] == "answer_timeout"


def test_a_connection_that_breaks_is_an_error_that_keeps_what_was_heard() -> None:
    async def hang_up(call: ScriptedCall, event: Event) -> None:
        if event["type"] == "response.create":
            await call.send("response.output_audio_transcript.delta", delta="hel")
            await call.connection.close(1011, "gone")

    async def hold() -> CallClient:
        async with scripted_server(hang_up) as (url, _):
            client = CallClient(CallOptions(url=url, manual_turn=True), SystemClock())
            with pytest.raises(CallError, match="closed the connection"):
                await client.place(SHORT)
            return client

    assert asyncio.run(hold()).report.turns[0].transcript == "hel"


def refusing(code: str, message: str, times: int) -> Any:
    """A handshake that is refused ``times`` times, then taken."""
    left = [times]

    def process(connection: ServerConnection, request: Request) -> Response | None:
        if not left[0]:
            return None
        left[0] -= 1
        body = json.dumps({"error": {"code": code, "message": message}})
        return connection.respond(HTTPStatus.SERVICE_UNAVAILABLE, body)

    return process


def test_a_server_that_still_loads_its_model_is_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(call_client, "DIAL_AGAIN_S", 0.01)
    refuse = refusing("engine_unavailable", "the model is loading", 3)
    told: list[str] = []

    async def hold(**options: Any) -> CallReport:
        async with scripted_server(answer_when_asked, process_request=refuse) as (url, _):
            chosen = CallOptions(url=url, manual_turn=True, **options)
            return await CallClient(chosen, SystemClock(), told.append).place(SHORT)

    assert asyncio.run(hold()).turns[0].transcript == "hello"
    assert told.count("the server is loading its model") == 3
    refuse = refusing("engine_unavailable", "the model is loading", 1)
    with pytest.raises(CallError, match="the model is loading"):
        asyncio.run(hold(start_timeout_s=-1.0))


def test_a_refusal_tells_the_servers_reason() -> None:
    def refuse(connection: ServerConnection, request: Request) -> Response:
        body = '{"error": {"message": "all rows are taken"}}'
        return connection.respond(HTTPStatus.SERVICE_UNAVAILABLE, body)

    async def never(connection: ServerConnection) -> None:
        raise AssertionError("the upgrade must be refused")

    async def hold() -> None:
        async with serve(never, "127.0.0.1", 0, process_request=refuse) as server:
            port = next(iter(server.sockets)).getsockname()[1]
            url = f"ws://127.0.0.1:{port}/v1/realtime"
            with pytest.raises(CallError, match="HTTP 503: all rows are taken"):
                await CallClient(CallOptions(url=url), SystemClock()).place(SHORT)

    asyncio.run(hold())


def test_a_server_that_is_not_there_is_named_with_a_remedy() -> None:
    client = CallClient(CallOptions(url="ws://127.0.0.1:9/v1/realtime"), SystemClock())
    with pytest.raises(CallError, match="omnicall serve"):
        asyncio.run(client.place(SHORT))
