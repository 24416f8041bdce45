"""One session and one client that speaks the dialect, without a transport."""

from __future__ import annotations

import asyncio
import base64
import io
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from PIL import Image

from server.clock import SystemClock
from server.config import Config
from server.engine.interface import InputUnit, Open, Prefill, Respond, ResponseStatus, TextMessage
from tests.fakes.fake_engine import FakeEngine, Piece, Reply, reply
from tests.server.gateway.wire_call import QUIET, WireCall, base64_of, sound, wire_call
from tests.virtual_time import run_virtual

pytestmark = pytest.mark.unit

MANUAL = {"audio": {"input": {"turn_detection": None}}}
Scenario = Callable[[WireCall], Awaitable[None]]


def hold(scenario: Scenario, *, real_time: bool = False, **options: Any) -> WireCall:
    """Run a call; in virtual time unless it decodes pictures, which takes a thread."""

    async def main() -> WireCall:
        async with wire_call(**options) as call:
            await scenario(call)
        return call

    if real_time:
        options["clock"] = SystemClock()
        return asyncio.run(main())
    return run_virtual(main())


def red_picture(size: int = 8) -> str:
    file = io.BytesIO()
    Image.new("RGB", (size, size), (255, 0, 0)).save(file, "PNG")
    return "data:image/png;base64," + base64_of(file.getvalue())


def user_message(*content: dict[str, str], **fields: str) -> dict[str, Any]:
    return {"item": {"type": "message", "role": "user", "content": list(content), **fields}}


TEXT = {"type": "input_text", "text": "what is this?"}


# --- a call


def test_a_detected_turn_is_answered_in_the_order_of_the_dialect() -> None:
    async def scenario(call: WireCall) -> None:
        await call.speak(1.0)
        await call.speak(1.0, QUIET)
        await call.until("response.done")

    call = hold(scenario, engine=FakeEngine([reply("Hello", 0.5)]))
    assert call.names() == [
        "session.created",
        "input_audio_buffer.speech_started",
        "input_audio_buffer.speech_stopped",
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
        "response.created",
        "response.output_item.added",
        "conversation.item.added",
        "response.content_part.added",
        "response.output_audio_transcript.delta",
        "response.output_audio.delta",
        "response.output_audio.done",
        "response.output_audio_transcript.done",
        "response.content_part.done",
        "response.output_item.done",
        "conversation.item.done",
        "response.done",
    ]
    audio = b"".join(
        base64.b64decode(event["delta"]) for event in call.all("response.output_audio.delta")
    )
    assert len(audio) == 0.5 * 24_000 * 2
    assert call.all("response.done")[0]["response"]["status"] == "completed"


def test_a_manual_turn_is_committed_and_answered_when_asked() -> None:
    async def scenario(call: WireCall) -> None:
        await call.update(**MANUAL)
        await call.speak(1.5)
        await call.send("input_audio_buffer.commit")
        await call.until("conversation.item.done")
        assert not call.all("response.created")
        await call.send(
            "response.create",
            response={
                "output_modalities": ["text"],
                "max_output_tokens": 5,
                "metadata": {"turn": "first"},
            },
        )
        await call.until("response.done")

    call = hold(scenario)
    assert not call.all("input_audio_buffer.speech_started")
    response = call.all("response.done")[0]["response"]
    assert response["metadata"] == {"turn": "first"}
    assert response["max_output_tokens"] == 5
    assert call.all("response.output_text.done")[0]["text"] == "Hello there."
    assert not call.all("response.output_audio.delta")
    (respond,) = call.engine.submitted(call.session.id, Respond)
    assert isinstance(respond, Respond)
    assert respond.spec.max_output_tokens == 5
    assert not respond.spec.audio


def test_speaking_into_an_answer_stops_it() -> None:
    async def scenario(call: WireCall) -> None:
        await call.speak(1.0)
        await call.speak(1.0, QUIET)
        await call.until("response.output_audio.delta")
        await call.speak(1.0)
        await call.until("response.done")

    call = hold(scenario, engine=FakeEngine([reply("Hello", 20.0, "and on", 20.0)]))
    response = call.all("response.done")[0]["response"]
    assert response["status"] == "cancelled"
    assert response["status_details"]["reason"] == "turn_detected"
    assert len(call.all("input_audio_buffer.speech_started")) == 2


def test_a_client_stops_an_answer_and_says_what_was_heard() -> None:
    async def scenario(call: WireCall) -> None:
        await call.send("conversation.item.create", **user_message(TEXT))
        await call.send("response.create")
        await call.until("response.output_audio.delta")
        await call.send("response.cancel")
        await call.until("response.done")
        item_id = call.all("response.output_item.added")[0]["item"]["id"]
        await call.send(
            "conversation.item.truncate", item_id=item_id, content_index=0, audio_end_ms=300
        )
        await call.until("conversation.item.truncated")
        await call.send("conversation.item.retrieve", item_id=item_id)

    call = hold(scenario, engine=FakeEngine([reply("Hello", 1.0, " there", 30.0)]))
    assert call.all("response.done")[0]["response"]["status_details"]["reason"] == (
        "client_cancelled"
    )
    assert call.all("conversation.item.truncated")[0]["audio_end_ms"] == 300
    retrieved = call.all("conversation.item.retrieved")[0]["item"]
    assert retrieved["content"] == [{"type": "output_audio"}]
    assert not call.all("error")


def test_a_failed_answer_says_so_and_the_call_goes_on() -> None:
    failing = Reply((Piece("Hel"),), ResponseStatus.FAILED, "context_full")

    async def scenario(call: WireCall) -> None:
        for count in (1, 2):
            await call.send("conversation.item.create", **user_message(TEXT))
            await call.send("response.create")
            await call.until("response.done", count)

    call = hold(scenario, engine=FakeEngine([failing, reply("fine")]))
    first, second = (event["response"] for event in call.all("response.done"))
    assert first["status"] == "failed"
    assert first["status_details"]["error"]["code"] == "context_full"
    assert second["status"] == "completed"


def test_extension_events_come_to_who_asked_for_them() -> None:
    async def scenario(call: WireCall) -> None:
        await call.update(extensions=["unit.prefilled", "response.timings"])
        await call.speak(1.2)
        await call.speak(1.0, QUIET)
        await call.until("response.done")

    call = hold(scenario)
    assert call.all("unit.prefilled")[0]["unit_index"] == 0
    (timings,) = call.all("response.timings")
    assert timings["eou_delay_ms"] >= 500
    assert call.names()[-2:] == ["response.timings", "response.done"]
    sample = call.metrics.registry.get_sample_value
    assert sample("omnicall_responses_total", {"status": "completed"}) == 1
    assert (sample("omnicall_units_prefilled_total") or 0) >= 1


@pytest.mark.parametrize(
    ("audio_format", "encoded"),
    [
        ({"type": "audio/pcm", "rate": 24000}, sound(1.0)),
        ({"type": "audio/pcm", "rate": 16000}, sound(1.0, rate_hz=16_000)),
        ({"type": "audio/pcmu"}, b"\x00" * 8000),
        ({"type": "audio/pcma"}, b"\x2a" * 8000),
    ],
    ids=["pcm 24", "pcm 16", "pcmu", "pcma"],
)
def test_a_second_of_sound_is_a_second_in_every_format(
    audio_format: dict[str, Any], encoded: bytes
) -> None:
    async def scenario(call: WireCall) -> None:
        await call.update(audio={"input": {"format": audio_format, "turn_detection": None}})
        await call.send("input_audio_buffer.append", audio=base64_of(encoded))
        await call.send("input_audio_buffer.commit")
        await call.until("input_audio_buffer.committed")
        await asyncio.sleep(0.1)
        heard = call.engine.remembered_audio(call.session.id)
        assert len(heard) == 2 * 16_000

    hold(scenario, speaks_the_dialect=False)


def test_a_session_that_ends_says_why() -> None:
    async def scenario(call: WireCall) -> None:
        await call.speak(0.1)
        call.engine.die()
        await call.until("error")
        await asyncio.sleep(0.1)
        assert call.ended is not None
        assert call.ended.code == "engine_failed"

    call = hold(scenario)
    assert call.last_error()["code"] == "engine_failed"
    assert call.last_error()["type"] == "server_error"


def test_what_a_client_ends_itself_is_no_error() -> None:
    async def scenario(call: WireCall) -> None:
        call.session.close("closed", "bye")
        await asyncio.sleep(0.1)

    call = hold(scenario)
    assert call.names() == ["session.created"]
    assert call.ended is not None


def test_after_the_end_everything_is_refused() -> None:
    async def scenario(call: WireCall) -> None:
        call.session.close("deleted", "deleted")
        await call.until("error")
        await call.send("input_audio_buffer.commit", event_id="late")

    call = hold(scenario)
    assert call.last_error()["code"] == "session_closed"
    assert call.last_error()["event_id"] == "late"


# --- session.update


def test_an_update_is_answered_with_all_that_is_in_effect() -> None:
    async def scenario(call: WireCall) -> None:
        await call.update(instructions="be brief", audio={"output": {"voice": "marin"}})
        await call.speak(0.1)

    call = hold(scenario)
    session = call.all("session.updated")[0]["session"]
    assert session["instructions"] == "be brief"
    assert session["audio"]["output"]["voice"] == "default"
    assert session["id"] == call.session.id
    (opening,) = call.engine.submitted(call.session.id, Open)
    assert isinstance(opening, Open)
    assert opening.spec.instructions == "be brief"


def test_a_refused_update_changes_nothing() -> None:
    async def scenario(call: WireCall) -> None:
        await call.update(instructions="be brief", tools=[{"type": "function", "name": "f"}])
        await call.update()

    call = hold(scenario)
    assert call.all("error")[0]["error"]["param"] == "session.tools"
    assert call.all("session.updated")[0]["session"]["instructions"] == ""


def test_the_voice_cannot_change_once_the_call_has_begun() -> None:
    async def scenario(call: WireCall) -> None:
        await call.speak(0.1)
        voice = {"reference_audio": base64_of(sound(0.1))}
        await call.update(instructions="be brief", audio={"output": {"voice": voice}})
        await call.update(instructions="be kind")

    call = hold(scenario)
    assert "voice" in call.last_error()["message"]
    assert call.all("session.updated")[0]["session"]["audio"]["output"]["voice"] == "default"


# --- items


def test_a_typed_message_is_acknowledged_and_prefilled() -> None:
    async def scenario(call: WireCall) -> None:
        await call.send("conversation.item.create", **user_message(TEXT, id="mine"))
        await call.send(
            "conversation.item.create",
            item={
                "type": "message",
                "role": "assistant",
                "content": [{"type": "output_text", "text": "a cat"}],
            },
            previous_item_id="mine",
        )
        await call.send(
            "conversation.item.create",
            item={"type": "message", "role": "system", "content": [TEXT, TEXT]},
        )
        await asyncio.sleep(0.1)

    call = hold(scenario)
    assert call.names()[1:3] == ["conversation.item.added", "conversation.item.done"]
    assert call.all("conversation.item.added")[0]["item"]["id"] == "mine"
    assert call.all("conversation.item.added")[1]["previous_item_id"] == "mine"
    messages = [
        command.content
        for command in call.engine.submitted(call.session.id, Prefill)
        if isinstance(command, Prefill)
    ]
    assert messages == [
        TextMessage("user", "what is this?"),
        TextMessage("assistant", "a cat"),
        TextMessage("system", "what is this?\nwhat is this?"),
    ]


def test_a_recorded_turn_is_an_item_like_any_other() -> None:
    async def scenario(call: WireCall) -> None:
        await call.update(**MANUAL)
        part = {"type": "input_audio", "audio": base64_of(sound(1.5)), "transcript": "hello"}
        await call.send("conversation.item.create", **user_message(part, id="mine"))
        await call.until("conversation.item.done")
        await asyncio.sleep(0.1)
        assert len(call.engine.remembered_audio(call.session.id)) == 1.5 * 32_000

    call = hold(scenario)
    assert not call.all("input_audio_buffer.committed")
    item = call.all("conversation.item.done")[0]["item"]
    assert item["id"] == "mine"
    assert item["content"] == [{"type": "input_audio", "transcript": "hello"}]


def test_a_picture_without_words_is_the_frame_of_the_unit_being_heard() -> None:
    async def scenario(call: WireCall) -> None:
        await call.update(**MANUAL)
        await call.send("input_audio_buffer.append", audio=base64_of(sound(0.5)))
        picture = {"type": "input_image", "image_url": red_picture(), "detail": "low"}
        await call.send("conversation.item.create", **user_message(picture))
        await call.send("input_image_buffer.append", image=red_picture(16))
        await call.send("input_audio_buffer.commit")
        await call.until("input_audio_buffer.committed")
        await asyncio.sleep(0.05)

    call = hold(scenario, real_time=True)
    assert call.names()[2:4] == ["conversation.item.added", "conversation.item.done"]
    (command,) = call.engine.submitted(call.session.id, Prefill)
    assert isinstance(command, Prefill)
    assert isinstance(command.content, InputUnit)
    assert command.content.image is not None
    assert command.content.image.width == 16, "the newest frame wins"


def test_pictures_with_words_are_one_message() -> None:
    async def scenario(call: WireCall) -> None:
        picture = {"type": "input_image", "image_url": red_picture()}
        await call.send("conversation.item.create", **user_message(TEXT, picture))
        await asyncio.sleep(0.05)

    call = hold(scenario, real_time=True)
    (command,) = call.engine.submitted(call.session.id, Prefill)
    assert isinstance(command, Prefill)
    assert isinstance(command.content, TextMessage)
    assert command.content.text == "what is this?"
    assert [image.width for image in command.content.images] == [8]


def test_deleting_an_item_says_that_the_model_still_remembers_it() -> None:
    async def scenario(call: WireCall) -> None:
        await call.send("conversation.item.create", **user_message(TEXT, id="mine"))
        await call.send("conversation.item.delete", item_id="mine", event_id="e1")

    call = hold(scenario)
    assert call.all("conversation.item.deleted")[0]["item_id"] == "mine"
    assert call.last_error()["code"] == "history_not_rewound"
    assert call.last_error()["event_id"] == "e1"


# --- bad input: each a clear error, the session stays open


def append(audio: str) -> dict[str, Any]:
    return {"type": "input_audio_buffer.append", "audio": audio}


def create(*content: dict[str, str], **fields: str) -> dict[str, Any]:
    return {"type": "conversation.item.create", **user_message(*content, **fields)}


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (append("%%%"), "invalid_base64"),
        (append(base64_of(b"odd")), "invalid_audio"),
        (append(base64_of(sound(20.0))), "audio_too_fast"),
        (append("A" * 20_000_000), "invalid_value"),
        ({"type": "input_audio_buffer.commit"}, "input_audio_buffer_commit_empty"),
        ({"type": "output_audio_buffer.clear"}, "unsupported_event"),
        ({"type": "response.cancel"}, "response_cancel_not_active"),
        ({"type": "response.cancel", "response_id": "no"}, "response_cancel_not_active"),
        (
            {"type": "response.create", "response": {"conversation": "none"}},
            "unsupported_parameter",
        ),
        ({"type": "input_image_buffer.append", "image": "AAAA"}, "unsupported_image_format"),
        ({"type": "input_image_buffer.append", "image": "https://x.org/a"}, "invalid_image_url"),
        ({"type": "conversation.item.retrieve", "item_id": "no"}, "item_retrieve_invalid_item_id"),
        ({"type": "conversation.item.delete", "item_id": "no"}, "item_delete_invalid_item_id"),
        (
            {
                "type": "conversation.item.truncate",
                "item_id": "no",
                "content_index": 0,
                "audio_end_ms": 0,
            },
            "item_truncate_invalid_item_id",
        ),
        (create({"type": "input_text", "text": "  "}), "invalid_value"),
        (create({"type": "input_audio", "audio": ""}), "unsupported_parameter"),
        (create({"type": "input_image", "image_url": "http://x.org/a"}), "invalid_image_url"),
        (
            {
                "type": "conversation.item.create",
                "item": {
                    "type": "message",
                    "role": "assistant",
                    "content": [{"type": "output_audio", "audio": ""}],
                },
            },
            "unsupported_parameter",
        ),
        (
            {**create(TEXT), "previous_item_id": "nowhere"},
            "item_create_invalid_previous_item_id",
        ),
    ],
)
def test_bad_input_is_told_with_the_event_it_came_in(message: dict[str, Any], code: str) -> None:
    async def scenario(call: WireCall) -> None:
        await call.connection.receive(json.dumps({**message, "event_id": "bad"}))
        assert call.last_error()["code"] == code
        assert call.last_error()["event_id"] == "bad"
        assert call.last_error()["type"] == "invalid_request_error"
        await call.update(instructions="still here")
        assert call.all("session.updated")

    # What is refused before it is decoded needs no thread, but a picture does.
    call = hold(scenario, real_time=message["type"] == "input_image_buffer.append")
    assert call.metrics.registry.get_sample_value("omnicall_errors_total", {"code": code}) == 1


@pytest.mark.parametrize("text", ["{", "[]", "5", '{"type":"x"}', "{}", "\x00", '{"type":null}'])
def test_text_that_is_no_event_is_an_error_and_no_more(text: str) -> None:
    async def scenario(call: WireCall) -> None:
        await call.connection.receive(text)
        await call.update()

    call = hold(scenario)
    assert call.names() == ["session.created", "error", "session.updated"]


def test_an_item_id_is_used_once() -> None:
    async def scenario(call: WireCall) -> None:
        await call.send("conversation.item.create", **user_message(TEXT, id="mine"))
        await call.send("conversation.item.create", **user_message(TEXT, id="mine"))

    assert hold(scenario).last_error()["code"] == "item_create_duplicate_item_id"


def test_a_second_answer_while_one_is_given_is_refused() -> None:
    async def scenario(call: WireCall) -> None:
        await call.send("response.create")
        await call.send("response.create", event_id="second")
        await call.until("response.done")

    call = hold(scenario)
    assert call.last_error()["code"] == "conversation_already_has_active_response"
    assert call.last_error()["event_id"] == "second"
    assert len(call.all("response.done")) == 1


def test_a_refusal_that_comes_late_still_names_its_event() -> None:
    async def scenario(call: WireCall) -> None:
        await call.update(**MANUAL)
        # More sound than is taken in at once: what follows waits behind it.
        await call.send("input_audio_buffer.append", audio=base64_of(sound(4.0)))
        await call.send("input_audio_buffer.commit", event_id="good")
        await call.send("input_audio_buffer.commit", event_id="empty")
        await call.send("response.create", event_id="first")
        await call.send("response.create", event_id="second")
        await call.until("response.done")

    call = hold(scenario)
    errors = [(event["error"]["code"], event["error"]["event_id"]) for event in call.all("error")]
    assert errors == [
        ("input_audio_buffer_commit_empty", "empty"),
        ("conversation_already_has_active_response", "second"),
    ]
    assert {event["error"]["type"] for event in call.all("error")} == {"invalid_request_error"}


def test_audio_faster_than_real_time_is_bounded() -> None:
    async def scenario(call: WireCall) -> None:
        for number in range(20):
            await call.send(
                "input_audio_buffer.append", audio=base64_of(sound(1.0)), event_id=str(number)
            )

    call = hold(scenario)
    assert {event["error"]["code"] for event in call.all("error")} == {"audio_too_fast"}
    assert 5 <= len(call.all("error")) < 15


def test_frames_faster_than_the_units_are_bounded() -> None:
    async def scenario(call: WireCall) -> None:
        picture = red_picture()
        for _ in range(15):
            await call.send("input_image_buffer.append", image=picture)

    call = hold(scenario, real_time=True)
    assert {event["error"]["code"] for event in call.all("error")} == {"image_too_fast"}
    assert len(call.all("error")) == 5


def test_recorded_items_do_not_mix_with_what_the_microphone_said() -> None:
    sound_part = {"type": "input_audio", "audio": base64_of(sound(0.5))}

    async def scenario(call: WireCall) -> None:
        await call.update(**MANUAL)
        await call.speak(0.1)
        await call.send("conversation.item.create", **user_message(sound_part))
        await call.send("input_audio_buffer.clear")
        await call.send("conversation.item.create", **user_message(sound_part, TEXT))
        await call.send("conversation.item.create", **user_message(sound_part))
        await call.until("conversation.item.done")

    call = hold(scenario)
    assert [event["error"]["param"] for event in call.all("error")] == [
        "item.content.0.audio",
        "item.content",
    ]


def test_a_busy_engine_is_the_server_s_fault() -> None:
    async def scenario(call: WireCall) -> None:
        call.engine.busy = True
        await call.send("response.create", event_id="e1")
        await call.until("error")

    call = hold(scenario)
    assert call.all("error")[0]["error"]["type"] == "server_error"


def test_a_picture_for_a_session_of_audio_alone_is_refused() -> None:
    async def scenario(call: WireCall) -> None:
        await call.send("input_image_buffer.append", image=red_picture())

    config = Config.model_validate({"session": {"mode": "audio"}})
    call = hold(scenario, real_time=True, config=config)
    assert call.last_error()["code"] == "image_not_accepted"
