"""Every server event against the stock client's types."""

from __future__ import annotations

from typing import Any

import pytest

from server.protocol import server_events
from server.protocol.codec import encode_server_event
from server.protocol.items import ContentPart, Item
from server.protocol.server_events import ServerEvent
from server.protocol.session_object import SessionObject
from tests.server.protocol.openai_dialect import check_server_event

pytestmark = pytest.mark.unit

ITEM = Item(
    id="item_1",
    status="completed",
    role="user",
    content=(ContentPart(type="input_audio"), ContentPart(type="input_text", text="hi")),
)
ANSWER = Item(
    id="item_2",
    status="incomplete",
    role="assistant",
    content=(ContentPart(type="output_audio", transcript="Hello"),),
)
RESPONSE = server_events.ResponseObject(
    id="resp_1",
    conversation_id="conv_1",
    status="failed",
    status_details=server_events.ResponseStatusDetails(
        type="failed",
        error=server_events.ResponseFailure(type="server_error", code="c", message="m"),
    ),
    output=(ANSWER,),
    output_modalities=("audio",),
    audio={"output": {"format": {"type": "audio/pcm", "rate": 24000}, "voice": "default"}},
    max_output_tokens="inf",
    metadata={"k": "v"},
    usage=server_events.ResponseUsage(
        total_tokens=3,
        input_tokens=1,
        output_tokens=2,
        input_token_details=server_events.InputTokenDetails(cached_tokens=1),
        output_token_details=server_events.OutputTokenDetails(text_tokens=1, audio_tokens=1),
    ),
)
VALUES: dict[str, Any] = {
    "session": SessionObject(model="pocket").to_wire("sess_1"),
    "error": server_events.ErrorDetails(type="server_error", message="m", code="c"),
    "item": ITEM,
    "response": RESPONSE,
    "part": server_events.ResponsePart(type="audio", transcript=""),
    "item_id": "item_1",
    "previous_item_id": None,
    "response_id": "resp_1",
    "output_index": 0,
    "content_index": 0,
    "audio_start_ms": 10,
    "audio_end_ms": 20,
    "delta": "AAAA",
    "transcript": "Hello",
    "text": "Hello",
}
EXTENSIONS = {server_events.UnitPrefilled, server_events.ResponseTimings}


def leaves(event_type: type[ServerEvent]) -> list[type[ServerEvent]]:
    children = event_type.__subclasses__()
    return [leaf for child in children for leaf in leaves(child)] if children else [event_type]


@pytest.mark.parametrize(
    "event_type",
    [leaf for leaf in leaves(ServerEvent) if leaf not in EXTENSIONS],
    ids=lambda event_type: event_type.__name__,
)
def test_the_stock_client_s_types_accept_the_event(event_type: type[ServerEvent]) -> None:
    fields = {name: VALUES[name] for name in event_type.model_fields if name != "type"}
    event = event_type(**fields)
    written = check_server_event(encode_server_event(event, "event_1"))
    assert written["type"] == event.type


def test_the_check_itself_refuses_what_is_not_in_the_dialect() -> None:
    unit = server_events.UnitPrefilled(
        unit_index=0, n_tokens=1, context_tokens=1, queue_ms=0, compute_ms=0, late=False
    )
    with pytest.raises(AssertionError):
        check_server_event(encode_server_event(unit, "event_1"))
    with pytest.raises(AssertionError):
        check_server_event(
            '{"type": "input_audio_buffer.cleared", "event_id": "e", "surprise": true}'
        )


def test_timings_that_do_not_exist_are_null() -> None:
    timings = server_events.ResponseTimings(
        response_id="r", eou_delay_ms=None, ttft_ms=5, ttfa_ms=None, audio_ms=0, rtf=None
    )
    assert timings.model_dump() == {
        "type": "response.timings",
        "response_id": "r",
        "eou_delay_ms": None,
        "ttft_ms": 5,
        "ttfa_ms": None,
        "audio_ms": 0,
        "rtf": None,
    }
