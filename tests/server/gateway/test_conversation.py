"""From what the session says to server events."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from server.engine.interface import ResponseStatus, ResponseTimings, Usage
from server.errors import ProtocolError
from server.gateway.conversation import MAX_PAST_RESPONSES, Conversation, ResponseRequest
from server.protocol.codec import encode_server_event
from server.protocol.items import InputAudio, InputText, UserMessage
from server.protocol.server_events import ServerEvent
from server.protocol.session_object import SessionObject
from server.session.events import (
    AudioCleared,
    HistoryReset,
    Problem,
    ResponseAudio,
    ResponseFinished,
    ResponseStarted,
    ResponseText,
    ResponseTrigger,
    SessionEnded,
    SessionOutput,
    Truncated,
    TurnCommitted,
    TurnEnded,
    TurnStarted,
    UnitDone,
)
from tests.server.protocol.openai_dialect import check_server_event

pytestmark = pytest.mark.unit

SECOND = b"\x00\x00" * 24_000


def conversation(**settings: Any) -> Conversation:
    return Conversation(replace(SessionObject(model="pocket"), **settings))


def checked(events: list[ServerEvent]) -> list[dict[str, Any]]:
    return [check_server_event(encode_server_event(event, "event_1")) for event in events]


def told(talk: Conversation, *outputs: SessionOutput) -> list[dict[str, Any]]:
    return checked([event for output in outputs for event in talk.translate(output)])


def started(response_id: str = "resp_1", *, wants_audio: bool = True) -> ResponseStarted:
    return ResponseStarted(response_id, ResponseTrigger.TURN_ENDED, wants_audio)


def finished(response_id: str = "resp_1") -> ResponseFinished:
    return ResponseFinished(
        response_id,
        ResponseStatus.COMPLETED,
        None,
        Usage(),
        ResponseTimings(),
        eou_delay_s=None,
        heard_s=1.0,
    )


def answer(response_id: str = "resp_1", pcm: bytes = SECOND) -> list[SessionOutput]:
    return [
        started(response_id),
        ResponseText(response_id, "Hello"),
        ResponseAudio(response_id, pcm, 0.0),
        finished(response_id),
    ]


def message(text: str = "hi") -> UserMessage:
    return UserMessage(
        type="message", role="user", content=[InputText(type="input_text", text=text)]
    )


def item_id_of(events: list[dict[str, Any]], name: str) -> str:
    event = next(event for event in events if event["type"] == name)
    return str(event["item"]["id"] if "item" in event else event["item_id"])


def test_a_detected_turn_keeps_one_item_from_start_to_done() -> None:
    talk = conversation()
    events = told(
        talk, TurnStarted("t1", 1.25), TurnEnded("t1", 3.0), TurnCommitted("t1", 2.0), *answer()
    )
    assert [event["type"] for event in events][:6] == [
        "input_audio_buffer.speech_started",
        "input_audio_buffer.speech_stopped",
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
        "response.created",
    ]
    assert events[0]["audio_start_ms"] == 1250
    assert events[1]["audio_end_ms"] == 3000
    ids = {item_id_of([event], event["type"]) for event in events[:5]}
    assert len(ids) == 1
    assert events[3]["item"]["content"] == [{"type": "input_audio"}]
    answer_added = next(event for event in events[5:] if event["type"] == "conversation.item.added")
    assert answer_added["previous_item_id"] == ids.pop()


def test_a_manual_turn_gets_its_item_when_it_is_committed() -> None:
    events = told(conversation(), TurnCommitted("t1", 2.0))
    assert [event["type"] for event in events] == [
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
    ]


def test_cleared_audio_forgets_the_item_it_would_have_become() -> None:
    talk = conversation()
    first = told(talk, TurnStarted("t1", 0.0))
    assert told(talk, AudioCleared())[0]["type"] == "input_audio_buffer.cleared"
    second = told(talk, TurnStarted("t1", 1.0))
    assert first[0]["item_id"] != second[0]["item_id"]


def test_a_created_audio_item_is_not_announced_as_committed() -> None:
    talk = conversation()
    sound = UserMessage(
        type="message", role="user", content=[InputAudio(type="input_audio", audio="")]
    )
    talk.expect_audio_item("t1", sound, "mine")
    events = told(talk, TurnCommitted("t1", 1.0))
    assert [event["type"] for event in events] == [
        "conversation.item.added",
        "conversation.item.done",
    ]
    assert events[0]["item"]["id"] == "mine"


def test_what_was_asked_of_a_response_is_shown_with_it() -> None:
    talk = conversation()
    talk.expect_response("resp_1", ResponseRequest("inf", {"k": "v"}))
    response = told(talk, started())[0]["response"]
    assert response["max_output_tokens"] == "inf"
    assert response["metadata"] == {"k": "v"}
    assert response["conversation_id"] == talk.conversation_id


def test_what_comes_for_a_response_nobody_knows_is_dropped() -> None:
    talk = conversation()
    assert told(talk, ResponseText("resp_0", "late"), ResponseAudio("resp_0", SECOND, 0.0)) == []
    assert told(talk, finished("resp_0"), Truncated("resp_0", 0.5)) == []


def test_extension_events_come_only_when_asked_for() -> None:
    unit = UnitDone(3, 91, 500, 0.01, 0.2, late=False)
    assert conversation().translate(unit) == []
    curious = conversation(extensions=frozenset({"unit.prefilled", "response.timings"}))
    (event,) = curious.translate(unit)
    assert event.model_dump() == {
        "type": "unit.prefilled",
        "unit_index": 3,
        "n_tokens": 91,
        "context_tokens": 500,
        "queue_ms": 10,
        "compute_ms": 200,
        "late": False,
    }
    curious.translate(started())
    names = [event.type for event in curious.translate(finished())]
    assert names == ["response.timings", "response.done"]


def test_problems_and_the_end_are_errors_with_their_code() -> None:
    events = told(
        conversation(), Problem("mark_expired", "too late"), SessionEnded("idle_timeout", "quiet")
    )
    assert [event["error"]["code"] for event in events] == ["mark_expired", "idle_timeout"]
    assert {event["error"]["type"] for event in events} == {"server_error"}


def test_a_reset_deletes_every_item() -> None:
    talk = conversation()
    talk.add_message(message(), "a")
    told(talk, *answer())
    events = told(talk, HistoryReset())
    assert [event["type"] for event in events] == ["conversation.item.deleted"] * 2
    assert events[0]["item_id"] == "a"


def test_an_answer_that_runs_into_a_reset_still_ends() -> None:
    talk = conversation()
    told(talk, started(), ResponseText("resp_1", "Hel"), HistoryReset())
    assert told(talk, finished())[-1]["type"] == "response.done"


def test_a_truncated_answer_loses_its_words() -> None:
    talk = conversation()
    item_id = item_id_of(told(talk, *answer()), "response.output_item.added")
    assert talk.spoken_response(item_id, 0, 700) == "resp_1"
    (event,) = told(talk, Truncated("resp_1", 0.7))
    assert event["type"] == "conversation.item.truncated"
    assert (event["item_id"], event["audio_end_ms"]) == (item_id, 700)
    assert talk.retrieve(item_id).content[0].transcript is None


@pytest.mark.parametrize(
    ("content_index", "audio_end_ms", "param"),
    [(1, 500, "content_index"), (0, 1001, "audio_end_ms")],
)
def test_a_truncation_beyond_what_there_is_is_refused(
    content_index: int, audio_end_ms: int, param: str
) -> None:
    talk = conversation()
    item_id = item_id_of(told(talk, *answer()), "response.output_item.added")
    with pytest.raises(ProtocolError) as caught:
        talk.spoken_response(item_id, content_index, audio_end_ms)
    assert caught.value.param == param


def test_only_spoken_answers_can_be_truncated() -> None:
    talk = conversation()
    talk.add_message(message(), "typed")
    written = told(talk, started(wants_audio=False), ResponseText("resp_1", "Hi"), finished())
    for item_id in ("typed", "nowhere", item_id_of(written, "response.output_item.added")):
        with pytest.raises(ProtocolError) as caught:
            talk.spoken_response(item_id, 0, 0)
        assert caught.value.code == "item_truncate_invalid_item_id"


def test_items_are_found_and_deleted_by_id() -> None:
    talk = conversation()
    talk.add_message(message("find me"), "a")
    assert talk.retrieve("a").content[0].text == "find me"
    assert checked(talk.delete("a"))[0]["item_id"] == "a"
    with pytest.raises(ProtocolError) as caught:
        talk.retrieve("a")
    assert caught.value.code == "item_retrieve_invalid_item_id"
    with pytest.raises(ProtocolError) as caught:
        talk.delete("a")
    assert caught.value.code == "item_delete_invalid_item_id"


def test_an_answer_that_is_being_given_cannot_be_deleted() -> None:
    talk = conversation()
    events = told(talk, started(), ResponseText("resp_1", "Hel"))
    with pytest.raises(ProtocolError, match="still being given"):
        talk.delete(item_id_of(events, "response.output_item.added"))


def test_an_id_is_given_once() -> None:
    talk = conversation()
    assert talk.new_item_id("mine", None) == "mine"
    talk.add_message(message(), "mine")
    assert talk.new_item_id(None, "mine").startswith("item_")
    reserved = told(talk, TurnStarted("t1", 0.0))[0]["item_id"]
    for taken in ("mine", reserved):
        with pytest.raises(ProtocolError) as caught:
            talk.new_item_id(taken, None)
        assert caught.value.code == "item_create_duplicate_item_id"


def test_a_very_long_call_forgets_its_oldest_answers() -> None:
    talk = conversation()
    first = item_id_of(told(talk, *answer("resp_0", b"\0\0")), "response.output_item.added")
    for number in range(1, MAX_PAST_RESPONSES + 1):
        for output in answer(f"resp_{number}", b"\0\0"):
            talk.translate(output)
    with pytest.raises(ProtocolError):
        talk.spoken_response(first, 0, 0)
