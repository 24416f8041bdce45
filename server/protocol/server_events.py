"""Every event the server sends, typed. GA names only, but for the two extensions at the end.

An event gets its ``event_id`` when it is written (`codec.encode_server_event`).
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from server.protocol.items import Item
from server.protocol.wire_model import ServerModel


class ServerEvent(ServerModel):
    """Base of every server event."""

    type: str


# --- session


class SessionCreated(ServerEvent):
    """First event of a connection."""

    type: Literal["session.created"] = "session.created"
    session: dict[str, Any]


class SessionUpdated(ServerEvent):
    """Answer to ``session.update``: the full configuration in effect."""

    type: Literal["session.updated"] = "session.updated"
    session: dict[str, Any]


class ErrorDetails(ServerModel):
    """What went wrong."""

    keeps_null: ClassVar[frozenset[str]] = frozenset({"code", "param", "event_id"})

    type: Literal["invalid_request_error", "server_error"]
    code: str | None = None
    message: str
    param: str | None = None
    event_id: str | None = None
    """The client event at fault."""


class ErrorEvent(ServerEvent):
    """Something could not be done; the session stays open."""

    type: Literal["error"] = "error"
    error: ErrorDetails


# --- input


class InputAudioBufferCommitted(ServerEvent):
    """The turn's audio became an item."""

    keeps_null: ClassVar[frozenset[str]] = frozenset({"previous_item_id"})

    type: Literal["input_audio_buffer.committed"] = "input_audio_buffer.committed"
    item_id: str
    previous_item_id: str | None = None


class InputAudioBufferCleared(ServerEvent):
    """Audio that was not committed is gone."""

    type: Literal["input_audio_buffer.cleared"] = "input_audio_buffer.cleared"


class InputAudioBufferSpeechStarted(ServerEvent):
    """The user began to speak."""

    type: Literal["input_audio_buffer.speech_started"] = "input_audio_buffer.speech_started"
    audio_start_ms: int
    item_id: str


class InputAudioBufferSpeechStopped(ServerEvent):
    """The user's turn is over."""

    type: Literal["input_audio_buffer.speech_stopped"] = "input_audio_buffer.speech_stopped"
    audio_end_ms: int
    item_id: str


# --- conversation


class ConversationItemAdded(ServerEvent):
    """An item is in the conversation; an answer's is still empty."""

    keeps_null: ClassVar[frozenset[str]] = frozenset({"previous_item_id"})

    type: Literal["conversation.item.added"] = "conversation.item.added"
    item: Item
    previous_item_id: str | None = None


class ConversationItemDone(ServerEvent):
    """An item is complete."""

    keeps_null: ClassVar[frozenset[str]] = frozenset({"previous_item_id"})

    type: Literal["conversation.item.done"] = "conversation.item.done"
    item: Item
    previous_item_id: str | None = None


class ConversationItemRetrieved(ServerEvent):
    """Answer to ``conversation.item.retrieve``."""

    type: Literal["conversation.item.retrieved"] = "conversation.item.retrieved"
    item: Item


class ConversationItemTruncated(ServerEvent):
    """The history keeps only what was heard."""

    type: Literal["conversation.item.truncated"] = "conversation.item.truncated"
    item_id: str
    content_index: int
    audio_end_ms: int


class ConversationItemDeleted(ServerEvent):
    """An item left the conversation."""

    type: Literal["conversation.item.deleted"] = "conversation.item.deleted"
    item_id: str


# --- response


class OutputTokenDetails(ServerModel):
    """What was generated."""

    text_tokens: int
    audio_tokens: int


class InputTokenDetails(ServerModel):
    """What was read. Units are prefilled as they arrive: when an answer begins, all is cached."""

    cached_tokens: int


class ResponseUsage(ServerModel):
    """Tokens of one response."""

    total_tokens: int
    input_tokens: int
    output_tokens: int
    input_token_details: InputTokenDetails
    output_token_details: OutputTokenDetails


class ResponseFailure(ServerModel):
    """Why a response failed."""

    type: str
    code: str
    message: str


class ResponseStatusDetails(ServerModel):
    """Why a response ended otherwise than by completion."""

    type: Literal["completed", "cancelled", "incomplete", "failed"]
    reason: (
        Literal["turn_detected", "client_cancelled", "max_output_tokens", "content_filter"] | None
    ) = None
    error: ResponseFailure | None = None


class ResponseObject(ServerModel):
    """A response as ``response.created`` and ``response.done`` show it."""

    keeps_null: ClassVar[frozenset[str]] = frozenset({"status_details", "usage", "metadata"})

    id: str
    object: Literal["realtime.response"] = "realtime.response"
    conversation_id: str
    status: Literal["in_progress", "completed", "cancelled", "incomplete", "failed"]
    status_details: ResponseStatusDetails | None = None
    output: tuple[Item, ...] = ()
    output_modalities: tuple[Literal["audio", "text"], ...]
    audio: dict[str, Any] | None = None
    max_output_tokens: int | Literal["inf"]
    metadata: dict[str, str] | None = None
    usage: ResponseUsage | None = None


class ResponseCreated(ServerEvent):
    """An answer begins."""

    type: Literal["response.created"] = "response.created"
    response: ResponseObject


class ResponseDone(ServerEvent):
    """The last event of an answer."""

    type: Literal["response.done"] = "response.done"
    response: ResponseObject


class ResponseOutputItemAdded(ServerEvent):
    """The answer's item exists."""

    type: Literal["response.output_item.added"] = "response.output_item.added"
    response_id: str
    output_index: int
    item: Item


class ResponseOutputItemDone(ServerEvent):
    """The answer's item is complete."""

    type: Literal["response.output_item.done"] = "response.output_item.done"
    response_id: str
    output_index: int
    item: Item


class ResponsePart(ServerModel):
    """A content part as the response events show it."""

    type: Literal["text", "audio"]
    text: str | None = None
    transcript: str | None = None


class _ContentEvent(ServerEvent):
    """Says which content part of which item it is about."""

    response_id: str
    item_id: str
    output_index: int
    content_index: int


class ResponseContentPartAdded(_ContentEvent):
    """A content part begins."""

    type: Literal["response.content_part.added"] = "response.content_part.added"
    part: ResponsePart


class ResponseContentPartDone(_ContentEvent):
    """A content part is complete."""

    type: Literal["response.content_part.done"] = "response.content_part.done"
    part: ResponsePart


class ResponseOutputAudioDelta(_ContentEvent):
    """More speech, base64 in the session's output format."""

    type: Literal["response.output_audio.delta"] = "response.output_audio.delta"
    delta: str


class ResponseOutputAudioDone(_ContentEvent):
    """All speech was sent."""

    type: Literal["response.output_audio.done"] = "response.output_audio.done"


class ResponseOutputAudioTranscriptDelta(_ContentEvent):
    """More words of the speech."""

    type: Literal["response.output_audio_transcript.delta"] = (
        "response.output_audio_transcript.delta"
    )
    delta: str


class ResponseOutputAudioTranscriptDone(_ContentEvent):
    """All words of the speech."""

    type: Literal["response.output_audio_transcript.done"] = "response.output_audio_transcript.done"
    transcript: str


class ResponseOutputTextDelta(_ContentEvent):
    """More written text."""

    type: Literal["response.output_text.delta"] = "response.output_text.delta"
    delta: str


class ResponseOutputTextDone(_ContentEvent):
    """All written text."""

    type: Literal["response.output_text.done"] = "response.output_text.done"
    text: str


# --- sound of a WebRTC call


class OutputAudioBufferStarted(ServerEvent):
    """The answer begins to be heard."""

    type: Literal["output_audio_buffer.started"] = "output_audio_buffer.started"
    response_id: str


class OutputAudioBufferStopped(ServerEvent):
    """The answer was heard to its end."""

    type: Literal["output_audio_buffer.stopped"] = "output_audio_buffer.stopped"
    response_id: str


class OutputAudioBufferCleared(ServerEvent):
    """What was not heard of the answer was thrown away."""

    type: Literal["output_audio_buffer.cleared"] = "output_audio_buffer.cleared"
    response_id: str


# --- extensions, for sessions that asked for them


class UnitPrefilled(ServerEvent):
    """A unit is in the model's context."""

    type: Literal["unit.prefilled"] = "unit.prefilled"
    unit_index: int
    n_tokens: int
    context_tokens: int
    queue_ms: int
    compute_ms: int
    late: bool


class ResponseTimings(ServerEvent):
    """How fast an answer was; just before its ``response.done``."""

    keeps_null: ClassVar[frozenset[str]] = frozenset({"eou_delay_ms", "ttft_ms", "ttfa_ms", "rtf"})

    type: Literal["response.timings"] = "response.timings"
    response_id: str
    eou_delay_ms: int | None
    """End of speech to the decision that the turn is over."""
    ttft_ms: int | None
    ttfa_ms: int | None
    audio_ms: int
    rtf: float | None
