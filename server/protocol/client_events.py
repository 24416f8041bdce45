"""Every event a client may send, typed.

Sounds and pictures stay base64 text here: whether they are too large is decided before any byte
of them is decoded.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field
from pydantic_core import PydanticCustomError

from server.protocol.audio_formats import AudioFormat
from server.protocol.items import ItemId, MessageItem
from server.protocol.session_patch import (
    MaxOutputTokens,
    OutputModalities,
    SessionPatch,
    VoicePatch,
)
from server.protocol.wire_model import ClientModel

MAX_AUDIO_EVENT_BYTES = 15 * 1024 * 1024
"""Base64 text of one ``input_audio_buffer.append``."""
MAX_EVENT_ID_CHARACTERS = 512
MAX_AUDIO_MS = 24 * 3600 * 1000
MAX_METADATA_PAIRS = 16

TOOL_ITEM_TYPES = frozenset(
    {
        "function_call",
        "function_call_output",
        "mcp_call",
        "mcp_list_tools",
        "mcp_approval_request",
        "mcp_approval_response",
    }
)


class ClientEventBase(ClientModel):
    """Fields of every client event."""

    event_id: Annotated[str, Field(max_length=MAX_EVENT_ID_CHARACTERS)] | None = None


class SessionUpdate(ClientEventBase):
    """Change the session; only present fields change."""

    type: Literal["session.update"]
    session: SessionPatch


class InputAudioBufferAppend(ClientEventBase):
    """More microphone audio; not acknowledged."""

    type: Literal["input_audio_buffer.append"]
    audio: Annotated[str, Field(max_length=MAX_AUDIO_EVENT_BYTES)]


class InputAudioBufferCommit(ClientEventBase):
    """The user's turn is over."""

    type: Literal["input_audio_buffer.commit"]


class InputAudioBufferClear(ClientEventBase):
    """Forget the audio that is not committed yet."""

    type: Literal["input_audio_buffer.clear"]


class InputImageBufferAppend(ClientEventBase):
    """A camera frame, base64 or a data URI; not acknowledged."""

    type: Literal["input_image_buffer.append"]
    image: str


class OutputAudioBufferClear(ClientEventBase):
    """Stop the sound of a WebRTC call."""

    type: Literal["output_audio_buffer.clear"]


def _refuse_tool_items(value: Any) -> Any:
    if isinstance(value, dict) and value.get("type") in TOOL_ITEM_TYPES:
        raise PydanticCustomError(
            "unsupported_parameter", "this model does not call tools; send message items only"
        )
    return value


class ConversationItemCreate(ClientEventBase):
    """Add a message to the conversation."""

    type: Literal["conversation.item.create"]
    item: Annotated[MessageItem, BeforeValidator(_refuse_tool_items)]
    previous_item_id: str | None = None


class ConversationItemRetrieve(ClientEventBase):
    """Show an item."""

    type: Literal["conversation.item.retrieve"]
    item_id: ItemId


class ConversationItemTruncate(ClientEventBase):
    """The listener heard only this much of an answer."""

    type: Literal["conversation.item.truncate"]
    item_id: ItemId
    content_index: Annotated[int, Field(ge=0)]
    audio_end_ms: Annotated[int, Field(ge=0, le=MAX_AUDIO_MS)]


class ConversationItemDelete(ClientEventBase):
    """Remove an item from the list."""

    type: Literal["conversation.item.delete"]
    item_id: ItemId


class ResponseAudioOutput(ClientModel):
    """Audio wishes of one response."""

    format: AudioFormat | None = None
    voice: VoicePatch | None = None


class ResponseAudio(ClientModel):
    """Audio wishes of one response."""

    output: ResponseAudioOutput | None = None


class ResponseWishes(ClientModel):
    """What one response shall do differently from the session's defaults."""

    output_modalities: OutputModalities | None = None
    max_output_tokens: MaxOutputTokens | None = None
    instructions: str | None = None
    audio: ResponseAudio | None = None
    metadata: Annotated[dict[str, str], Field(max_length=MAX_METADATA_PAIRS)] | None = None
    conversation: str | None = None
    input: list[Any] | None = None
    tools: list[Any] | None = None
    tool_choice: Any = None
    parallel_tool_calls: bool | None = None
    prompt: Any = None
    reasoning: Any = None


class ResponseCreate(ClientEventBase):
    """Answer now."""

    type: Literal["response.create"]
    response: ResponseWishes | None = None


class ResponseCancel(ClientEventBase):
    """Stop answering."""

    type: Literal["response.cancel"]
    response_id: str | None = None


ClientEvent = (
    SessionUpdate
    | InputAudioBufferAppend
    | InputAudioBufferCommit
    | InputAudioBufferClear
    | InputImageBufferAppend
    | OutputAudioBufferClear
    | ConversationItemCreate
    | ConversationItemRetrieve
    | ConversationItemTruncate
    | ConversationItemDelete
    | ResponseCreate
    | ResponseCancel
)

CLIENT_EVENT_TYPES: dict[str, type[ClientEvent]] = {
    "session.update": SessionUpdate,
    "input_audio_buffer.append": InputAudioBufferAppend,
    "input_audio_buffer.commit": InputAudioBufferCommit,
    "input_audio_buffer.clear": InputAudioBufferClear,
    "input_image_buffer.append": InputImageBufferAppend,
    "output_audio_buffer.clear": OutputAudioBufferClear,
    "conversation.item.create": ConversationItemCreate,
    "conversation.item.retrieve": ConversationItemRetrieve,
    "conversation.item.truncate": ConversationItemTruncate,
    "conversation.item.delete": ConversationItemDelete,
    "response.create": ResponseCreate,
    "response.cancel": ResponseCancel,
}
