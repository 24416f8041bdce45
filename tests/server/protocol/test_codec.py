"""Text to client events, server events to text."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.errors import ProtocolError
from server.protocol.client_events import (
    CLIENT_EVENT_TYPES,
    ConversationItemCreate,
    ResponseCreate,
    SessionUpdate,
)
from server.protocol.codec import decode_client_event, encode_server_event
from server.protocol.items import UserMessage
from server.protocol.server_events import (
    ErrorDetails,
    ErrorEvent,
    InputAudioBufferCommitted,
    SessionCreated,
)

pytestmark = pytest.mark.unit


def refusal(message: object) -> ProtocolError:
    with pytest.raises(ProtocolError) as caught:
        decode_client_event(message if isinstance(message, str) else json.dumps(message))
    return caught.value


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "invalid_json"),
        ("{", "invalid_json"),
        ("[1, 2]", "invalid_json"),
        ('"text"', "invalid_json"),
        ('{"type": NaN}', "invalid_json"),
        ("[" * 100_000, "invalid_json"),
        ('{"type": "x", "a": "\\ud800"}', "invalid_json"),
        ("{}", "missing_required_parameter"),
        ('{"type": 5}', "missing_required_parameter"),
        ('{"type": "session.explode"}', "unknown_event_type"),
        ('{"type": ["session.update"]}', "missing_required_parameter"),
    ],
)
def test_what_is_no_event_is_refused_with_a_code(text: str, code: str) -> None:
    assert refusal(text).code == code


def in_session(**fields: object) -> dict[str, object]:
    return {"type": "session.update", "session": {"type": "realtime", **fields}}


def in_item(**fields: object) -> dict[str, object]:
    return {"type": "conversation.item.create", "item": {"type": "message", **fields}}


@pytest.mark.parametrize(
    ("message", "code", "param"),
    [
        ({"type": "session.update"}, "missing_required_parameter", "session"),
        (
            {"type": "session.update", "session": {}},
            "missing_required_parameter",
            "session.type",
        ),
        (
            {"type": "session.update", "session": {"type": "transcription"}},
            "invalid_value",
            "session.type",
        ),
        (in_session(voice="alloy"), "unknown_parameter", "session.voice"),
        (
            in_session(audio={"input": {"format": {"type": "audio/f32"}}}),
            "invalid_value",
            "session.audio.input.format",
        ),
        (
            in_session(audio={"input": {"format": {"type": "audio/pcm", "rate": 44100}}}),
            "invalid_value",
            "session.audio.input.format.rate",
        ),
        (
            in_session(audio={"input": {"format": {"rate": 24000}}}),
            "missing_required_parameter",
            "session.audio.input.format",
        ),
        (in_session(output_modalities=["audio", "text"]), "invalid_value", None),
        (in_session(max_output_tokens=0), "invalid_value", None),
        (in_session(hd="yes"), "invalid_type", "session.hd"),
        (in_session(extensions=["mind.reading"]), "invalid_value", "session.extensions.0"),
        (in_session(sampling={"temperature": -1}), "invalid_value", "session.sampling.temperature"),
        ({"type": "input_audio_buffer.append"}, "missing_required_parameter", "audio"),
        ({"type": "input_audio_buffer.append", "audio": 5}, "invalid_type", "audio"),
        (
            in_item(role="user", content=[{"type": "input_text"}]),
            "missing_required_parameter",
            "item.content.0.text",
        ),
        (in_item(role="user", content=[{"type": "smell"}]), "invalid_value", "item.content.0"),
        (in_item(role="user", content=[]), "invalid_value", "item.content"),
        (in_item(role="robot", content=[]), "invalid_value", "item"),
        (
            {
                "type": "conversation.item.create",
                "item": {"type": "function_call_output", "call_id": "c", "output": "o"},
            },
            "unsupported_parameter",
            "item",
        ),
        ({"type": "conversation.item.create", "item": []}, "invalid_type", "item"),
        (
            {
                "type": "conversation.item.truncate",
                "item_id": "i",
                "content_index": 0,
                "audio_end_ms": 10**30,
            },
            "invalid_value",
            "audio_end_ms",
        ),
        ({"type": "response.create", "reponse": {}}, "unknown_parameter", "reponse"),
    ],
)
def test_a_wrong_field_is_named(message: object, code: str, param: str | None) -> None:
    error = refusal(message)
    assert error.code == code
    if param is not None:
        assert error.param == param


def test_an_error_carries_the_event_id_of_the_message() -> None:
    assert refusal({"type": "nope", "event_id": "e1"}).event_id == "e1"
    assert refusal({"type": "session.update", "event_id": "e2"}).event_id == "e2"
    assert refusal({"event_id": "e3"}).event_id == "e3"


def test_an_event_id_that_is_no_id_is_not_repeated() -> None:
    assert refusal({"type": "nope", "event_id": 5}).event_id is None
    assert refusal({"type": "nope", "event_id": "x" * 10_000}).event_id is None


def test_an_error_repeats_little_of_what_the_client_said() -> None:
    long = "x" * 100_000
    assert len(refusal({"type": long}).message) < 1000
    assert len(refusal(in_item(role="user", content=[{"type": long}])).message) <= 500
    error = refusal({"type": "response.create", long: 1})
    assert len(error.message) <= 500
    assert error.param is not None
    assert len(error.param) <= 80


@pytest.mark.parametrize(
    "name",
    [
        "input_audio_buffer.commit",
        "input_audio_buffer.clear",
        "output_audio_buffer.clear",
        "response.create",
        "response.cancel",
    ],
)
def test_events_without_fields_need_only_their_type(name: str) -> None:
    event = decode_client_event(json.dumps({"type": name}))
    assert isinstance(event, CLIENT_EVENT_TYPES[name])
    assert event.event_id is None


def test_every_field_of_the_dialect_s_session_is_known() -> None:
    event = decode_client_event(
        json.dumps(
            in_session(
                model="omnicall",
                instructions="be brief",
                output_modalities=["audio"],
                max_output_tokens="inf",
                tools=[],
                tool_choice="auto",
                parallel_tool_calls=True,
                tracing=None,
                prompt=None,
                truncation="auto",
                include=[],
                reasoning={"effort": "low"},
                audio={
                    "input": {
                        "format": {"type": "audio/pcm", "rate": 24000},
                        "noise_reduction": {"type": "near_field"},
                        "transcription": {"model": "whisper-1"},
                        "turn_detection": {
                            "type": "server_vad",
                            "threshold": 0.5,
                            "prefix_padding_ms": 300,
                            "silence_duration_ms": 500,
                            "create_response": True,
                            "interrupt_response": True,
                            "idle_timeout_ms": 6000,
                        },
                    },
                    "output": {"format": {"type": "audio/pcmu"}, "voice": "marin", "speed": 1.0},
                },
            )
        )
    )
    assert isinstance(event, SessionUpdate)
    assert event.session.max_output_tokens == "inf"


def test_messages_become_typed_items() -> None:
    event = decode_client_event(
        json.dumps(
            in_item(
                id="mine",
                role="user",
                status="completed",
                content=[
                    {"type": "input_text", "text": "what is this?"},
                    {"type": "input_image", "image_url": "data:image/png;base64,", "detail": "low"},
                ],
            )
        )
    )
    assert isinstance(event, ConversationItemCreate)
    assert isinstance(event.item, UserMessage)
    assert [part.type for part in event.item.content] == ["input_text", "input_image"]


def test_response_wishes_are_typed() -> None:
    event = decode_client_event(
        json.dumps({"type": "response.create", "response": {"output_modalities": ["text"]}})
    )
    assert isinstance(event, ResponseCreate)
    assert event.response is not None
    assert event.response.output_modalities == ["text"]


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)
FIELDS = st.sampled_from(
    ["session", "audio", "item", "item_id", "response", "image", "event_id", "content_index"]
)


@settings(deadline=None, max_examples=150)
@given(
    name=st.sampled_from(sorted(CLIENT_EVENT_TYPES)),
    fields=st.dictionaries(FIELDS, JSON_VALUES, max_size=4),
)
def test_whatever_comes_is_an_event_or_a_protocol_error(name: str, fields: dict[str, Any]) -> None:
    try:
        event = decode_client_event(json.dumps({**fields, "type": name}))
    except ProtocolError as error:
        assert error.message
        assert error.code
    else:
        assert event.type == name


def test_an_event_is_written_with_its_id() -> None:
    text = encode_server_event(InputAudioBufferCommitted(item_id="i"), "event_1")
    assert json.loads(text) == {
        "event_id": "event_1",
        "type": "input_audio_buffer.committed",
        "item_id": "i",
        "previous_item_id": None,
    }


def test_null_is_written_where_it_says_something() -> None:
    session = {"audio": {"input": {"turn_detection": None}}}
    written = json.loads(encode_server_event(SessionCreated(session=session), "e"))
    assert written["session"] == session
    error = ErrorEvent(error=ErrorDetails(type="server_error", message="m"))
    written = json.loads(encode_server_event(error, "e"))
    assert written["error"] == {
        "type": "server_error",
        "code": None,
        "message": "m",
        "param": None,
        "event_id": None,
    }
