"""The table of client events."""

from __future__ import annotations

import json
from typing import get_args

import pytest
from openai.types.realtime import realtime_client_event

from server.errors import ProtocolError
from server.protocol.client_events import CLIENT_EVENT_TYPES, MAX_AUDIO_EVENT_BYTES
from server.protocol.codec import decode_client_event

pytestmark = pytest.mark.unit

EXTENSIONS = {"input_image_buffer.append"}


def test_every_client_event_of_the_dialect_is_known() -> None:
    members = get_args(get_args(realtime_client_event.RealtimeClientEvent)[0])
    names = {get_args(member.model_fields["type"].annotation)[0] for member in members}
    assert set(CLIENT_EVENT_TYPES) == names | EXTENSIONS


def test_the_table_has_each_event_under_its_own_name() -> None:
    for name, event_type in CLIENT_EVENT_TYPES.items():
        assert str(event_type.model_fields["type"].annotation).count(name) == 1


def test_more_than_15_mib_of_base64_in_one_event_is_refused() -> None:
    message = {
        "type": "input_audio_buffer.append",
        "event_id": "big",
        "audio": "A" * (MAX_AUDIO_EVENT_BYTES + 4),
    }
    with pytest.raises(ProtocolError) as caught:
        decode_client_event(json.dumps(message))
    assert caught.value.param == "audio"
    assert caught.value.event_id == "big"
    assert len(caught.value.message) < 200


@pytest.mark.parametrize("kind", ["function_call", "function_call_output", "mcp_call"])
def test_tool_items_are_refused_with_the_reason(kind: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        decode_client_event(
            json.dumps({"type": "conversation.item.create", "item": {"type": kind}})
        )
    assert caught.value.code == "unsupported_parameter"
    assert "does not call tools" in caught.value.message
