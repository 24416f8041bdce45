"""The conversation as the dialect tells it: items, their ids and order, and who answers what.

Takes what the session says (`server.session.events`) and returns the server events for it, in the
order of the dialect. No I/O, nothing waits.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Literal

from server.errors import ProtocolError
from server.gateway.item_list import ItemList
from server.gateway.response_stream import ResponseStream
from server.protocol.ids import new_id
from server.protocol.items import (
    AssistantMessage,
    ContentPart,
    Item,
    SystemMessage,
    UserMessage,
    shown,
)
from server.protocol.server_events import (
    ConversationItemAdded,
    ConversationItemDeleted,
    ConversationItemDone,
    ConversationItemTruncated,
    ErrorDetails,
    ErrorEvent,
    InputAudioBufferCleared,
    InputAudioBufferCommitted,
    InputAudioBufferSpeechStarted,
    InputAudioBufferSpeechStopped,
    ServerEvent,
    UnitPrefilled,
)
from server.protocol.session_object import SessionObject
from server.session.events import (
    AudioCleared,
    HistoryReset,
    Problem,
    ResponseAudio,
    ResponseFinished,
    ResponseStarted,
    ResponseText,
    SessionEnded,
    SessionOutput,
    Truncated,
    TurnCommitted,
    TurnEnded,
    TurnStarted,
    UnitDone,
)

Message = UserMessage | SystemMessage | AssistantMessage
MAX_PAST_RESPONSES = 256
"""Answers that can still be truncated."""


@dataclass(frozen=True, slots=True)
class ResponseRequest:
    """What a client wanted of one response, to be shown with it."""

    max_output_tokens: int | Literal["inf"]
    metadata: dict[str, str] | None = None


class Conversation:
    """One session's conversation on the wire."""

    def __init__(self, settings: SessionObject, *, sends_audio: bool = True) -> None:
        """
        Args:
            settings: What is in effect at first.
            sends_audio: False where speech leaves on a track, not in events.
        """
        self._sends_audio = sends_audio
        self.settings = settings
        """What is in effect; replaced by the connection at ``session.update``."""
        self.conversation_id = new_id("conv")
        self._items = ItemList()
        self._turn_items: dict[str, str] = {}
        self._created_turns: dict[str, Item] = {}
        self._requests: dict[str, ResponseRequest] = {}
        self._responses: OrderedDict[str, ResponseStream] = OrderedDict()

    # --- what clients do to items

    def new_item_id(self, wished_id: str | None, previous_item_id: str | None) -> str:
        """The id of an item about to be created at the end of the conversation.

        Raises:
            ProtocolError: The wished id is taken, or the place is not the end.
        """
        self._items.check_is_end(previous_item_id)
        if wished_id is None:
            return new_id("item")
        if wished_id in self._items or wished_id in self._turn_items.values():
            raise ProtocolError(
                f"there already is an item {wished_id!r}",
                code="item_create_duplicate_item_id",
                param="item.id",
            )
        return wished_id

    def add_message(self, message: Message, item_id: str) -> list[ServerEvent]:
        """The model has a client's message."""
        return self._added(shown(message, item_id))

    def expect_audio_item(self, turn_id: str, message: Message, item_id: str) -> None:
        """The turn that is being committed is an item a client created."""
        self._turn_items[turn_id] = item_id
        self._created_turns[turn_id] = shown(message, item_id)

    def expect_response(self, response_id: str, request: ResponseRequest) -> None:
        """The response that is about to start was asked for like this."""
        self._requests[response_id] = request

    def forget_request(self, key: str) -> None:
        """The turn or response of this id will not come."""
        self._requests.pop(key, None)
        self._created_turns.pop(key, None)
        self._turn_items.pop(key, None)

    def retrieve(self, item_id: str) -> Item:
        """The item of this id.

        Raises:
            ProtocolError: There is none.
        """
        item = self._items.get(item_id)
        if item is None:
            raise ProtocolError(
                f"there is no item {item_id!r}",
                code="item_retrieve_invalid_item_id",
                param="item_id",
            )
        return item

    def delete(self, item_id: str) -> list[ServerEvent]:
        """Take an item from the list.

        Raises:
            ProtocolError: There is none, or it is not complete yet.
        """
        item = self._items.get(item_id)
        if item is None or item.status == "in_progress":
            state = "there is no item" if item is None else "an answer is still being given in"
            raise ProtocolError(
                f"{state} {item_id!r}", code="item_delete_invalid_item_id", param="item_id"
            )
        self._items.delete(item_id)
        return [ConversationItemDeleted(item_id=item_id)]

    def spoken_response(self, item_id: str, content_index: int, audio_end_ms: int) -> str:
        """The response whose speech a client wants truncated.

        Raises:
            ProtocolError: The item is no spoken answer, or has less audio than that.
        """
        stream = next((s for s in self._responses.values() if s.item_id == item_id), None)
        if stream is None or not stream.has_audio or item_id not in self._items:
            raise ProtocolError(
                f"there is no spoken answer {item_id!r}",
                code="item_truncate_invalid_item_id",
                param="item_id",
            )
        if content_index != 0:
            raise ProtocolError(
                "an answer has one part, content_index 0",
                code="invalid_value",
                param="content_index",
            )
        if audio_end_ms > round(stream.audio_s * 1000):
            raise ProtocolError(
                f"the answer has {round(stream.audio_s * 1000)} ms of audio, "
                f"less than {audio_end_ms} ms",
                code="invalid_value",
                param="audio_end_ms",
            )
        return stream.response_id

    # --- what the session says

    def translate(self, output: SessionOutput) -> list[ServerEvent]:
        """The server events for one output, in order; none for what the wire has no word for."""
        match output:
            case TurnStarted() | TurnEnded() | TurnCommitted() | AudioCleared():
                return self._turn_events(output)
            case ResponseStarted() | ResponseText() | ResponseAudio() | ResponseFinished():
                return self._response_events(output)
            case UnitDone():
                return self._unit_events(output)
            case Truncated(response_id, audio_end_s):
                return self._truncated(response_id, audio_end_s)
            case HistoryReset():
                return [ConversationItemDeleted(item_id=item_id) for item_id in self._items.clear()]
            case Problem(code, message) | SessionEnded(code, message):
                details = ErrorDetails(type="server_error", code=code, message=message)
                return [ErrorEvent(error=details)]

    def _turn_events(
        self, output: TurnStarted | TurnEnded | TurnCommitted | AudioCleared
    ) -> list[ServerEvent]:
        match output:
            case TurnStarted(turn_id, audio_start_s):
                return [
                    InputAudioBufferSpeechStarted(
                        audio_start_ms=round(audio_start_s * 1000), item_id=self._item_of(turn_id)
                    )
                ]
            case TurnEnded(turn_id, audio_end_s):
                return [
                    InputAudioBufferSpeechStopped(
                        audio_end_ms=round(audio_end_s * 1000), item_id=self._item_of(turn_id)
                    )
                ]
            case TurnCommitted(turn_id):
                return self._committed(turn_id)
            case AudioCleared():
                self._turn_items.clear()
                self._created_turns.clear()
                return [InputAudioBufferCleared()]

    def _committed(self, turn_id: str) -> list[ServerEvent]:
        created = self._created_turns.pop(turn_id, None)
        item_id = self._item_of(turn_id)
        del self._turn_items[turn_id]
        if created is not None:
            return self._added(created)
        item = Item(
            id=item_id,
            status="completed",
            role="user",
            content=(ContentPart(type="input_audio"),),
        )
        committed = InputAudioBufferCommitted(item_id=item_id, previous_item_id=self._items.last_id)
        return [committed, *self._added(item)]

    def _response_events(
        self, output: ResponseStarted | ResponseText | ResponseAudio | ResponseFinished
    ) -> list[ServerEvent]:
        if isinstance(output, ResponseStarted):
            return self._started(output)
        stream = self._responses.get(output.response_id)
        if stream is None:
            return []
        match output:
            case ResponseText(_, text):
                return stream.add_text(text)
            case ResponseAudio(_, pcm):
                return stream.add_audio(pcm)
            case ResponseFinished():
                return stream.finish(
                    output, with_timings="response.timings" in self.settings.extensions
                )

    def _started(self, output: ResponseStarted) -> list[ServerEvent]:
        request = self._requests.pop(
            output.response_id, ResponseRequest(self.settings.max_output_tokens)
        )
        stream = ResponseStream(
            output.response_id,
            self.conversation_id,
            self.settings,
            self._items,
            wants_audio=output.wants_audio,
            max_output_tokens=request.max_output_tokens,
            metadata=request.metadata,
            sends_audio=self._sends_audio,
        )
        self._responses[output.response_id] = stream
        while len(self._responses) > MAX_PAST_RESPONSES:
            self._responses.popitem(last=False)
        return stream.begin()

    def _unit_events(self, output: UnitDone) -> list[ServerEvent]:
        if "unit.prefilled" not in self.settings.extensions:
            return []
        return [
            UnitPrefilled(
                unit_index=output.unit_index,
                n_tokens=output.n_tokens,
                context_tokens=output.context_tokens,
                queue_ms=round(output.queue_s * 1000),
                compute_ms=round(output.compute_s * 1000),
                late=output.late,
            )
        ]

    def _truncated(self, response_id: str, audio_end_s: float) -> list[ServerEvent]:
        stream = self._responses.get(response_id)
        if stream is None:
            return []
        stream.truncated()
        return [
            ConversationItemTruncated(
                item_id=stream.item_id, content_index=0, audio_end_ms=round(audio_end_s * 1000)
            )
        ]

    def _added(self, item: Item) -> list[ServerEvent]:
        previous_item_id = self._items.append(item)
        return [
            ConversationItemAdded(item=item, previous_item_id=previous_item_id),
            ConversationItemDone(item=item, previous_item_id=previous_item_id),
        ]

    def _item_of(self, turn_id: str) -> str:
        """The id of the item a turn becomes, given out when it is first needed."""
        return self._turn_items.setdefault(turn_id, new_id("item"))
