"""One response as the dialect tells it."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from server.engine.interface import ResponseStatus, ResponseTimings, Usage
from server.gateway.item_list import ItemList
from server.gateway.response_stream import ResponseStream
from server.protocol.audio_formats import PcmFormat, PcmuFormat
from server.protocol.codec import encode_server_event
from server.protocol.items import Item
from server.protocol.server_events import ResponseOutputAudioDelta, ServerEvent
from server.protocol.session_object import SessionObject
from server.session.events import ResponseFinished
from tests.server.protocol.openai_dialect import check_server_event

pytestmark = pytest.mark.unit

SPOKEN_ORDER = [
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
WRITTEN_ORDER = [
    "response.created",
    "response.output_item.added",
    "conversation.item.added",
    "response.content_part.added",
    "response.output_text.delta",
    "response.output_text.done",
    "response.content_part.done",
    "response.output_item.done",
    "conversation.item.done",
    "response.done",
]


def stream(
    settings: SessionObject | None = None,
    items: ItemList | None = None,
    *,
    wants_audio: bool = True,
) -> ResponseStream:
    return ResponseStream(
        "resp_1",
        "conv_1",
        settings or SessionObject(model="pocket"),
        items or ItemList(),
        wants_audio=wants_audio,
        max_output_tokens=512,
        metadata={"turn": "1"},
    )


def finished(
    status: ResponseStatus = ResponseStatus.COMPLETED, reason: str | None = None
) -> ResponseFinished:
    return ResponseFinished(
        "resp_1",
        status,
        reason,
        Usage(input_tokens=100, text_tokens=5, audio_tokens=25),
        ResponseTimings(ttft_s=0.1, ttfa_s=0.25, total_s=0.5, audio_s=1.0),
        eou_delay_s=0.5,
        heard_s=0.2,
    )


def checked(events: list[ServerEvent]) -> list[dict[str, Any]]:
    return [check_server_event(encode_server_event(event, "event_1")) for event in events]


def names(events: list[dict[str, Any]]) -> list[str]:
    return [event["type"] for event in events]


def test_a_spoken_answer_comes_in_the_order_of_the_dialect() -> None:
    answer = stream()
    events = checked(
        answer.begin()
        + answer.add_text("Hello")
        + answer.add_audio(b"\x01\x00" * 240)
        + answer.finish(finished(), with_timings=False)
    )
    assert names(events) == SPOKEN_ORDER
    assert events[2]["item"]["content"] == []
    assert events[2]["item"]["status"] == "in_progress"
    assert base64.b64decode(events[5]["delta"]) == b"\x01\x00" * 240
    assert events[8]["part"] == {"type": "audio", "transcript": "Hello"}
    assert events[10]["item"]["content"] == [{"type": "output_audio", "transcript": "Hello"}]
    assert answer.audio_s == pytest.approx(0.01)


def test_a_written_answer_comes_in_the_order_of_the_dialect() -> None:
    answer = stream(wants_audio=False)
    events = checked(
        answer.begin() + answer.add_text("Hello") + answer.finish(finished(), with_timings=False)
    )
    assert names(events) == WRITTEN_ORDER
    assert events[5]["text"] == "Hello"
    assert events[-1]["response"]["output_modalities"] == ["text"]
    assert not answer.has_audio


def test_the_last_event_has_the_answer_and_what_it_cost() -> None:
    answer = stream()
    done = checked(answer.add_text("Hi") + answer.finish(finished(), with_timings=False))[-1]
    response = done["response"]
    assert response["status"] == "completed"
    assert response["status_details"] is None
    assert response["metadata"] == {"turn": "1"}
    assert response["conversation_id"] == "conv_1"
    assert [item["status"] for item in response["output"]] == ["completed"]
    assert response["usage"] == {
        "total_tokens": 130,
        "input_tokens": 100,
        "output_tokens": 30,
        "input_token_details": {"cached_tokens": 100},
        "output_token_details": {"text_tokens": 5, "audio_tokens": 25},
    }


@pytest.mark.parametrize(
    ("status", "reason", "details"),
    [
        (
            ResponseStatus.CANCELLED,
            "turn_detected",
            {"type": "cancelled", "reason": "turn_detected"},
        ),
        (
            ResponseStatus.CANCELLED,
            "session_reset",
            {"type": "cancelled", "reason": "client_cancelled"},
        ),
        (
            ResponseStatus.INCOMPLETE,
            "max_output_tokens",
            {"type": "incomplete", "reason": "max_output_tokens"},
        ),
    ],
)
def test_an_answer_cut_short_says_why(
    status: ResponseStatus, reason: str, details: dict[str, str]
) -> None:
    answer = stream()
    events = checked(
        answer.add_text("Hel") + answer.finish(finished(status, reason), with_timings=False)
    )
    response = events[-1]["response"]
    assert response["status"] == status
    assert response["status_details"] == details
    assert response["output"][0]["status"] == "incomplete"


@pytest.mark.parametrize(
    ("reason", "code"),
    [
        ("context_full", "context_full"),
        ("Traceback (most recent call last)", "response_failed"),
        (None, "response_failed"),
    ],
)
def test_a_failure_names_its_code_and_no_internals(reason: str | None, code: str) -> None:
    done = checked(stream().finish(finished(ResponseStatus.FAILED, reason), with_timings=False))[-1]
    error = done["response"]["status_details"]["error"]
    assert error["code"] == code
    assert "Traceback" not in error["message"]


def test_an_answer_that_said_nothing_leaves_no_item() -> None:
    items = ItemList()
    answer = stream(items=items)
    events = checked(
        answer.begin() + answer.finish(finished(ResponseStatus.CANCELLED), with_timings=False)
    )
    assert names(events) == ["response.created", "response.done"]
    assert events[-1]["response"]["output"] == []
    assert items.last_id is None


def test_the_answer_s_item_knows_what_was_before_it() -> None:
    items = ItemList()
    items.append(Item(id="item_0", status="completed", role="user"))
    answer = stream(items=items)
    events = checked(answer.add_text("Hi") + answer.finish(finished(), with_timings=False))
    added = next(event for event in events if event["type"] == "conversation.item.added")
    done = next(event for event in events if event["type"] == "conversation.item.done")
    assert added["previous_item_id"] == done["previous_item_id"] == "item_0"


def test_timings_come_just_before_the_end_when_asked_for() -> None:
    events = stream().finish(finished(), with_timings=True)
    assert [event.type for event in events] == ["response.timings", "response.done"]
    assert events[0].model_dump() == {
        "type": "response.timings",
        "response_id": "resp_1",
        "eou_delay_ms": 500,
        "ttft_ms": 100,
        "ttfa_ms": 250,
        "audio_ms": 1000,
        "rtf": 0.5,
    }


def sent_audio(events: list[ServerEvent]) -> bytes:
    return b"".join(
        base64.b64decode(event.delta)
        for event in events
        if isinstance(event, ResponseOutputAudioDelta)
    )


@pytest.mark.parametrize(
    ("audio_format", "n_bytes"), [(PcmuFormat(), 8000), (PcmFormat(rate=16000), 32_000)]
)
def test_no_sample_is_lost_in_another_format(
    audio_format: PcmuFormat | PcmFormat, n_bytes: int
) -> None:
    answer = stream(SessionObject(model="pocket", output_format=audio_format))
    events: list[ServerEvent] = []
    for _ in range(100):
        events += answer.add_audio(b"\x10\x00" * 240)
    events += answer.finish(finished(), with_timings=False)
    assert len(sent_audio(events)) == n_bytes
    last_delta = max(i for i, e in enumerate(events) if e.type == "response.output_audio.delta")
    assert events[last_delta + 1].type == "response.output_audio.done"


def test_a_cancelled_answer_says_nothing_more() -> None:
    answer = stream(SessionObject(model="pocket", output_format=PcmuFormat()))
    answer.add_audio(b"\x10\x00" * 2400)
    events = answer.finish(finished(ResponseStatus.CANCELLED), with_timings=False)
    assert sent_audio(events) == b""


def test_a_truncated_answer_no_longer_shows_its_words() -> None:
    items = ItemList()
    answer = stream(items=items)
    answer.add_text("Hello there")
    answer.finish(finished(), with_timings=False)
    answer.truncated()
    item = items.get(answer.item_id)
    assert item is not None
    assert item.content[0].transcript is None
    items.clear()
    answer.truncated()
