"""Conversation items: what clients create and what the server shows of them.

The server keeps what an item *was* (its parts and texts), not its sounds and pictures: those are
in the model's context and nowhere else.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from server.protocol.wire_model import ClientModel, ServerModel

ItemStatus = Literal["in_progress", "completed", "incomplete"]
MAX_ID_CHARACTERS = 128
MAX_TEXT_CHARACTERS = 100_000
MAX_PARTS = 32

ItemId = Annotated[str, Field(min_length=1, max_length=MAX_ID_CHARACTERS)]
ItemText = Annotated[str, Field(max_length=MAX_TEXT_CHARACTERS)]


# --- what clients send


class InputText(ClientModel):
    """Typed text."""

    type: Literal["input_text"]
    text: ItemText


class InputAudio(ClientModel):
    """Recorded speech, base64 in the session's input format."""

    type: Literal["input_audio"]
    audio: str
    transcript: str | None = None


class InputImage(ClientModel):
    """A picture as a data URI."""

    type: Literal["input_image"]
    image_url: str
    detail: Literal["auto", "low", "high"] | None = None


class OutputText(ClientModel):
    """What an assistant said in writing."""

    type: Literal["output_text"]
    text: ItemText


class OutputAudio(ClientModel):
    """What an assistant said aloud. Known so that its refusal can say why."""

    type: Literal["output_audio"]
    audio: str | None = None
    transcript: str | None = None


UserPart = Annotated[InputText | InputAudio | InputImage, Field(discriminator="type")]
AssistantPart = Annotated[OutputText | OutputAudio, Field(discriminator="type")]


class _Message(ClientModel):
    """Fields of every message."""

    type: Literal["message"]
    id: ItemId | None = None
    object: Literal["realtime.item"] | None = None
    status: ItemStatus | None = None


class UserMessage(_Message):
    """A message of the user."""

    role: Literal["user"]
    content: Annotated[list[UserPart], Field(min_length=1, max_length=MAX_PARTS)]


class SystemMessage(_Message):
    """A message of the developer."""

    role: Literal["system"]
    content: Annotated[list[InputText], Field(min_length=1, max_length=MAX_PARTS)]


class AssistantMessage(_Message):
    """A message of the assistant, replayed from an earlier conversation."""

    role: Literal["assistant"]
    content: Annotated[list[AssistantPart], Field(min_length=1, max_length=MAX_PARTS)]


MessageItem = Annotated[UserMessage | SystemMessage | AssistantMessage, Field(discriminator="role")]


# --- what the server shows

PartType = Literal["input_text", "input_audio", "input_image", "output_text", "output_audio"]


class ContentPart(ServerModel):
    """One part of an item, without its sounds and pictures."""

    type: PartType
    text: str | None = None
    transcript: str | None = None
    detail: Literal["auto", "low", "high"] | None = None


class Item(ServerModel):
    """A message of the conversation."""

    id: str
    object: Literal["realtime.item"] = "realtime.item"
    type: Literal["message"] = "message"
    status: ItemStatus
    role: Literal["user", "system", "assistant"]
    content: tuple[ContentPart, ...] = ()


def shown(message: UserMessage | SystemMessage | AssistantMessage, item_id: str) -> Item:
    """The item a client's message becomes."""
    parts: list[ContentPart] = []
    for part in message.content:
        match part:
            case InputText() | OutputText():
                parts.append(ContentPart(type=part.type, text=part.text))
            case InputAudio() | OutputAudio():
                parts.append(ContentPart(type=part.type, transcript=part.transcript))
            case InputImage():
                parts.append(ContentPart(type=part.type, detail=part.detail))
    return Item(id=item_id, status="completed", role=message.role, content=tuple(parts))
