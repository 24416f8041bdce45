"""What the stock client's own types say about an event."""

from __future__ import annotations

import json
from typing import Any, get_args

from openai.types.realtime import realtime_server_event
from pydantic import BaseModel

SERVER_EVENTS: dict[str, type[BaseModel]] = {
    get_args(member.model_fields["type"].annotation)[0]: member
    for member in get_args(get_args(realtime_server_event.RealtimeServerEvent)[0])
}
"""Every GA event by its name."""

SESSION_EXTRAS = {
    "session.id",
    "session.object",
    "session.mode",
    "session.language",
    "session.hd",
    "session.sampling",
    "session.extensions",
}
"""Fields we add to the session object; the first two are in OpenAI's answers, not in its types."""


def check_server_event(text: str) -> dict[str, Any]:
    """Make sure a message is a GA event with every required field and no unknown one.

    Returns:
        The message as a dictionary.
    """
    event: dict[str, Any] = json.loads(text)
    assert event["type"] in SERVER_EVENTS, f"{event['type']} is not in the dialect"
    parsed = SERVER_EVENTS[event["type"]].model_validate_json(text, strict=True)
    assert parsed.event_id  # type: ignore[attr-defined]
    assert set(_extras(parsed)) <= SESSION_EXTRAS
    return event


def _extras(model: BaseModel, path: str = "") -> list[str]:
    """Dotted names of fields that the types do not know."""
    found = [f"{path}{name}" for name in model.model_extra or {}]
    for name in type(model).model_fields:
        value = getattr(model, name)
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, BaseModel):
                found += _extras(child, f"{path}{name}.")
    return found
