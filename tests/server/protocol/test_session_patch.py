"""What a client may write in a session.update."""

from __future__ import annotations

from typing import get_args

import pytest
from openai.types.realtime import RealtimeSessionCreateRequest
from pydantic import ValidationError

from server.protocol.session_patch import Extension, SessionPatch

pytestmark = pytest.mark.unit

OURS = {"id", "object", "mode", "language", "hd", "sampling", "extensions"}


def test_every_field_of_the_stock_client_s_session_is_known() -> None:
    assert set(SessionPatch.model_fields) == set(RealtimeSessionCreateRequest.model_fields) | OURS


def test_what_the_server_answers_may_be_sent_back() -> None:
    patch = SessionPatch.model_validate(
        {"type": "realtime", "id": "sess_1", "object": "realtime.session"}
    )
    assert patch.id == "sess_1"


def test_what_was_sent_is_told_from_what_was_not() -> None:
    patch = SessionPatch.model_validate({"type": "realtime", "audio": {"input": {}}})
    assert patch.audio is not None
    assert patch.audio.input is not None
    assert "turn_detection" not in patch.audio.input.model_fields_set


def test_types_are_taken_literally() -> None:
    with pytest.raises(ValidationError):
        SessionPatch.model_validate({"type": "realtime", "max_output_tokens": "12"})
    with pytest.raises(ValidationError):
        SessionPatch.model_validate({"type": "realtime", "hd": 1})


def test_the_extensions_are_named_like_their_events() -> None:
    assert set(get_args(Extension)) == {"unit.prefilled", "response.timings"}
