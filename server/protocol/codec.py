"""Text to client events and server events to text. No I/O."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails, from_json, to_json

from server.errors import ProtocolError
from server.protocol.client_events import (
    CLIENT_EVENT_TYPES,
    MAX_EVENT_ID_CHARACTERS,
    ClientEvent,
)
from server.protocol.server_events import ServerEvent

MAX_MESSAGE_CHARACTERS = 500
MAX_NAME_CHARACTERS = 80
"""How much of a client's own words an error repeats."""
ERROR_CODES = {
    "missing": "missing_required_parameter",
    "union_tag_not_found": "missing_required_parameter",
    "extra_forbidden": "unknown_parameter",
    "union_tag_invalid": "invalid_value",
    "literal_error": "invalid_value",
    "unsupported_parameter": "unsupported_parameter",
}
"""Codes of pydantic's error types; one that ends in ``_type`` is ``invalid_type``."""


def decode_client_event(text: str) -> ClientEvent:
    """The event a message carries.

    Raises:
        ProtocolError: The message is no event of the dialect. Carries the message's ``event_id``
            where it has one, and names the field at fault.
    """
    try:
        value = from_json(text, allow_inf_nan=False)
    except ValueError as error:
        raise ProtocolError(
            f"the message is not JSON: {error}; send one JSON object per message",
            code="invalid_json",
        ) from error
    if not isinstance(value, dict):
        raise ProtocolError(
            "the message is JSON but no object; send one JSON object per message",
            code="invalid_json",
        )
    event_id = value.get("event_id")
    if not isinstance(event_id, str) or len(event_id) > MAX_EVENT_ID_CHARACTERS:
        event_id = None
    name = value.get("type")
    if not isinstance(name, str):
        raise ProtocolError(
            "the message has no type; name its event, such as session.update",
            code="missing_required_parameter",
            param="type",
            event_id=event_id,
        )
    event_type = CLIENT_EVENT_TYPES.get(name)
    if event_type is None:
        raise ProtocolError(
            f"unknown event type {name[:MAX_NAME_CHARACTERS]!r}; "
            f"known are {', '.join(CLIENT_EVENT_TYPES)}",
            code="unknown_event_type",
            param="type",
            event_id=event_id,
        )
    try:
        return event_type.model_validate(value)
    except ValidationError as error:
        raise _protocol_error(error.errors(include_url=False)[0], value, event_id) from error


def encode_server_event(event: ServerEvent, event_id: str) -> str:
    """The text of an event under the id it is sent with."""
    return to_json({"event_id": event_id, **event.model_dump()}).decode()


def _protocol_error(
    error: ErrorDetails, value: dict[str, Any], event_id: str | None
) -> ProtocolError:
    kind = error["type"]
    code = ERROR_CODES.get(kind, "invalid_type" if kind.endswith("_type") else "invalid_value")
    param = _path(error["loc"], value, is_missing=kind == "missing")
    if kind == "extra_forbidden":
        message = f"{param} is not a known field"
    elif kind == "missing":
        message = f"{param} is missing"
    else:
        message = f"{param}: {error['msg']}"
    return ProtocolError(
        message[:MAX_MESSAGE_CHARACTERS], code=code, param=param, event_id=event_id
    )


def _path(location: tuple[int | str, ...], value: Any, is_missing: bool) -> str:
    """The dotted name of a field, without the union tags that pydantic puts between."""
    parts: list[str] = []
    for part in location:
        try:
            value = value[part]
        except (LookupError, TypeError):
            continue
        parts.append(str(part)[:MAX_NAME_CHARACTERS])
    if is_missing:
        parts.append(str(location[-1]))
    return ".".join(parts)
