"""One response as the dialect tells it: which events, in which order."""

from __future__ import annotations

import base64
import re
from typing import Literal, TypedDict

from server.engine.interface import ResponseStatus
from server.gateway.item_list import ItemList
from server.gateway.speech_encoder import SpeechEncoder
from server.media.pcm import SPEECH_HZ, duration_s
from server.protocol.ids import new_id
from server.protocol.items import ContentPart, Item
from server.protocol.server_events import (
    ConversationItemAdded,
    ConversationItemDone,
    InputTokenDetails,
    OutputTokenDetails,
    ResponseContentPartAdded,
    ResponseContentPartDone,
    ResponseCreated,
    ResponseDone,
    ResponseFailure,
    ResponseObject,
    ResponseOutputAudioDelta,
    ResponseOutputAudioDone,
    ResponseOutputAudioTranscriptDelta,
    ResponseOutputAudioTranscriptDone,
    ResponseOutputItemAdded,
    ResponseOutputItemDone,
    ResponseOutputTextDelta,
    ResponseOutputTextDone,
    ResponsePart,
    ResponseStatusDetails,
    ResponseTimings,
    ResponseUsage,
    ServerEvent,
)
from server.protocol.session_object import SessionObject
from server.session.events import CancelReason, ResponseFinished

OUTPUT_INDEX = 0
CONTENT_INDEX = 0
"""An answer is one item with one part."""
CODE_PATTERN = re.compile(r"[a-z][a-z0-9_]{0,63}")
"""Reasons of the engine that are names; anything else stays in the log."""


class _Place(TypedDict):
    """Where a delta belongs."""

    response_id: str
    item_id: str
    output_index: int
    content_index: int


class ResponseStream:
    """Turns what a session says about one response into server events.

    The answer's item is opened by its first word or sound: an answer that was cancelled before it
    said anything leaves no item.
    """

    def __init__(
        self,
        response_id: str,
        conversation_id: str,
        settings: SessionObject,
        items: ItemList,
        *,
        wants_audio: bool,
        max_output_tokens: int | Literal["inf"],
        metadata: dict[str, str] | None,
        sends_audio: bool = True,
    ) -> None:
        self.response_id = response_id
        self.item_id = new_id("item")
        self.audio_s = 0.0
        """Speech sent so far."""
        self._conversation_id = conversation_id
        self._settings = settings
        self._items = items
        self._wants_audio = wants_audio
        self._max_output_tokens = max_output_tokens
        self._metadata = metadata
        self._sends_audio = sends_audio  # False: the speech leaves on a track of its own
        self._encoder = SpeechEncoder(settings.output_format)
        self._text = ""
        self._is_open = False

    @property
    def has_audio(self) -> bool:
        """Whether the answer is spoken."""
        return self._wants_audio

    def begin(self) -> list[ServerEvent]:
        """The answer was asked of the model."""
        return [ResponseCreated(response=self._object("in_progress"))]

    def add_text(self, text: str) -> list[ServerEvent]:
        """More words."""
        events = self._opened()
        self._text += text
        if self._wants_audio:
            events.append(ResponseOutputAudioTranscriptDelta(**self._place(), delta=text))
        else:
            events.append(ResponseOutputTextDelta(**self._place(), delta=text))
        return events

    def add_audio(self, pcm: bytes) -> list[ServerEvent]:
        """More speech: 16-bit mono at 24 kHz."""
        events = self._opened()
        self.audio_s += duration_s(pcm, SPEECH_HZ)
        if self._sends_audio:
            events += self._audio_delta(self._encoder.encode(pcm))
        return events

    def finish(self, finished: ResponseFinished, *, with_timings: bool) -> list[ServerEvent]:
        """Nothing more comes."""
        events: list[ServerEvent] = []
        item: Item | None = None
        if self._is_open:
            if self._sends_audio and finished.status is not ResponseStatus.CANCELLED:
                events += self._audio_delta(self._encoder.flush())
            is_complete = finished.status is ResponseStatus.COMPLETED
            item = self._item("completed" if is_complete else "incomplete")
            events += self._closed(item)
        if with_timings:
            events.append(self._timings(finished))
        response = self._object(finished.status.value).model_copy(
            update={
                "status_details": _status_details(finished),
                "output": () if item is None else (item,),
                "usage": _usage(finished),
            }
        )
        events.append(ResponseDone(response=response))
        return events

    def truncated(self) -> None:
        """The text of what was not heard is gone, and with it what can be shown of the text."""
        item = self._items.get(self.item_id)
        if item is not None:
            parts = tuple(part.model_copy(update={"transcript": None}) for part in item.content)
            self._items.replace(item.model_copy(update={"content": parts}))

    def _opened(self) -> list[ServerEvent]:
        """Events that introduce the item, the first time."""
        if self._is_open:
            return []
        self._is_open = True
        item = Item(id=self.item_id, status="in_progress", role="assistant")
        previous_item_id = self._items.append(item)
        empty = (
            ResponsePart(type="audio", transcript="")
            if self._wants_audio
            else ResponsePart(type="text", text="")
        )
        return [
            ResponseOutputItemAdded(
                response_id=self.response_id, output_index=OUTPUT_INDEX, item=item
            ),
            ConversationItemAdded(item=item, previous_item_id=previous_item_id),
            ResponseContentPartAdded(**self._place(), part=empty),
        ]

    def _closed(self, item: Item) -> list[ServerEvent]:
        """Events that complete the part and the item."""
        self._items.replace(item)
        events: list[ServerEvent]
        if self._wants_audio:
            events = [
                ResponseOutputAudioDone(**self._place()),
                ResponseOutputAudioTranscriptDone(**self._place(), transcript=self._text),
            ]
            part = ResponsePart(type="audio", transcript=self._text)
        else:
            events = [ResponseOutputTextDone(**self._place(), text=self._text)]
            part = ResponsePart(type="text", text=self._text)
        return [
            *events,
            ResponseContentPartDone(**self._place(), part=part),
            ResponseOutputItemDone(
                response_id=self.response_id, output_index=OUTPUT_INDEX, item=item
            ),
            ConversationItemDone(item=item, previous_item_id=self._items.previous_id(item.id)),
        ]

    def _audio_delta(self, encoded: bytes) -> list[ServerEvent]:
        if not encoded:
            return []
        delta = base64.b64encode(encoded).decode("ascii")
        return [ResponseOutputAudioDelta(**self._place(), delta=delta)]

    def _place(self) -> _Place:
        return _Place(
            response_id=self.response_id,
            item_id=self.item_id,
            output_index=OUTPUT_INDEX,
            content_index=CONTENT_INDEX,
        )

    def _item(self, status: Literal["completed", "incomplete"]) -> Item:
        part = (
            ContentPart(type="output_audio", transcript=self._text)
            if self._wants_audio
            else ContentPart(type="output_text", text=self._text)
        )
        return Item(id=self.item_id, status=status, role="assistant", content=(part,))

    def _object(
        self, status: Literal["in_progress", "completed", "cancelled", "incomplete", "failed"]
    ) -> ResponseObject:
        settings = self._settings
        return ResponseObject(
            id=self.response_id,
            conversation_id=self._conversation_id,
            status=status,
            output_modalities=("audio" if self._wants_audio else "text",),
            audio={
                "output": {
                    "format": settings.output_format.model_dump(),
                    "voice": settings.voice.name,
                }
            },
            max_output_tokens=self._max_output_tokens,
            metadata=self._metadata,
        )

    def _timings(self, finished: ResponseFinished) -> ResponseTimings:
        timings = finished.timings
        return ResponseTimings(
            response_id=self.response_id,
            eou_delay_ms=_milliseconds(finished.eou_delay_s),
            ttft_ms=_milliseconds(timings.ttft_s),
            ttfa_ms=_milliseconds(timings.ttfa_s),
            audio_ms=round(timings.audio_s * 1000),
            rtf=None if timings.rtf is None else round(timings.rtf, 4),
        )


def _milliseconds(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds * 1000)


def _status_details(finished: ResponseFinished) -> ResponseStatusDetails | None:
    match finished.status:
        case ResponseStatus.COMPLETED:
            return None
        case ResponseStatus.CANCELLED:
            detected = finished.reason == CancelReason.TURN_DETECTED
            return ResponseStatusDetails(
                type="cancelled", reason="turn_detected" if detected else "client_cancelled"
            )
        case ResponseStatus.INCOMPLETE:
            # The dialect knows no other limit; the one on speech is a limit on tokens as well.
            return ResponseStatusDetails(type="incomplete", reason="max_output_tokens")
        case ResponseStatus.FAILED:
            reason = finished.reason or ""
            return ResponseStatusDetails(
                type="failed",
                error=ResponseFailure(
                    type="server_error",
                    code=reason if CODE_PATTERN.fullmatch(reason) else "response_failed",
                    message="the model could not finish this answer; ask again",
                ),
            )


def _usage(finished: ResponseFinished) -> ResponseUsage:
    usage = finished.usage
    output_tokens = usage.text_tokens + usage.audio_tokens
    return ResponseUsage(
        total_tokens=usage.input_tokens + output_tokens,
        input_tokens=usage.input_tokens,
        output_tokens=output_tokens,
        input_token_details=InputTokenDetails(cached_tokens=usage.input_tokens),
        output_token_details=OutputTokenDetails(
            text_tokens=usage.text_tokens, audio_tokens=usage.audio_tokens
        ),
    )
