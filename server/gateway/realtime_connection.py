"""One session bound to one transport: client events become calls, outputs become events.

Knows the dialect and the session; does not know what carries the text. A WebSocket hands every
message to :meth:`RealtimeConnection.receive` and sends what the connection gives it; a data
channel will do the same.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from server.clock import Clock
from server.config import Config
from server.engine.interface import ImageFrame, TextMessage
from server.errors import OmnicallError, ProtocolError
from server.gateway.conversation import Conversation, ResponseRequest
from server.gateway.image_intake import ImageIntake
from server.gateway.pending_requests import PendingRequests
from server.gateway.session_settings import response_overrides, session_options
from server.gateway.speaker import Speaker
from server.gateway.speech_encoder import pcm_from_client
from server.gateway.spoken_answers import SpokenAnswers
from server.metrics import Metrics
from server.protocol.client_events import (
    ClientEvent,
    ConversationItemCreate,
    ConversationItemDelete,
    ConversationItemRetrieve,
    ConversationItemTruncate,
    InputAudioBufferAppend,
    InputAudioBufferClear,
    InputAudioBufferCommit,
    InputImageBufferAppend,
    OutputAudioBufferClear,
    ResponseCancel,
    ResponseCreate,
    SessionUpdate,
)
from server.protocol.codec import decode_client_event
from server.protocol.items import (
    InputAudio,
    InputImage,
    InputText,
    OutputAudio,
    OutputText,
    UserMessage,
)
from server.protocol.payload import decode_base64, decoded_bytes
from server.protocol.server_events import (
    ConversationItemRetrieved,
    ErrorDetails,
    ErrorEvent,
    ServerEvent,
    SessionCreated,
    SessionUpdated,
)
from server.protocol.session_object import SessionObject, apply_patch
from server.session.events import (
    CancelReason,
    Problem,
    ResponseFinished,
    ResponseStarted,
    SessionEnded,
    SessionOutput,
    Truncated,
    TurnCommitted,
    UnitDone,
)
from server.session.session import Session

CLOSED = "closed"
"""Code of a session that the client itself ended: no error to tell."""
COMMIT_REFUSED = "input_audio_buffer_commit_empty"
RESPONSE_REFUSED = "conversation_already_has_active_response"
CANCEL_REFUSED = "response_cancel_not_active"
CANCEL_KEY = "cancel"
"""Cancellations have no name of their own; one success decides the oldest."""


@dataclass(frozen=True, slots=True)
class GatewayContext:
    """What every connection of one app shares."""

    config: Config
    clock: Clock
    metrics: Metrics


class RealtimeConnection:
    """Speaks the dialect for one session.

    ``send`` takes server events in order and never waits; whoever gives it bounds what piles up.
    """

    def __init__(
        self,
        session: Session,
        settings: SessionObject,
        model_names: Sequence[str],
        context: GatewayContext,
        send: Callable[[ServerEvent], None],
        speaker: Speaker | None = None,
    ) -> None:
        """
        Args:
            session: Admitted with the options of ``settings``.
            settings: What is in effect before the client changes anything.
            model_names: Names the client may call the model by.
            context: What every connection shares.
            send: Takes each event on its way out.
            speaker: Plays the speech; None sends it in events, and the client plays it.
        """
        self._session = session
        self._defaults = settings
        self._model_names = model_names
        self._context = context
        self._send = send
        self._conversation = Conversation(settings, sends_audio=speaker is None)
        self._spoken = None if speaker is None else SpokenAnswers(speaker, self._tell_truncated)
        self._pending = PendingRequests()
        self._has_open_audio = False  # since the last commit or clear, without turn detection
        self._images = ImageIntake(
            context.config.server, context.clock, context.config.session.max_backlog_s
        )

    @property
    def settings(self) -> SessionObject:
        """What is in effect."""
        return self._conversation.settings

    def greet(self) -> None:
        """Send the first event of the connection."""
        self._send(self.greeting())

    def greeting(self) -> SessionCreated:
        """The first event of a connection, with what is in effect now."""
        return SessionCreated(session=self.settings.to_wire(self._session.id))

    async def run(self) -> SessionEnded:
        """Send what the session says until it ends; says how it ended.

        Cancelling loses the outputs not sent yet.
        """
        ended = SessionEnded(CLOSED, "the session is over")
        async for output in self._session.outputs():
            self._observe(output)
            if isinstance(output, SessionEnded):
                ended = output
                if output.code == CLOSED:
                    continue
            if not (isinstance(output, Problem) and self._report_refused(output)):
                self._send_all(self._conversation.translate(output))
                if self._spoken is not None:
                    self._spoken.follow(output, self.settings.turn_detection)
        return ended

    async def receive(self, text: str) -> None:
        """Act on one message of the client; what is wrong with it is answered, not raised.

        Messages must come one after the other: the next one only once this has returned.
        Cancelling is safe between messages and may lose the picture being decoded.
        """
        event_id: str | None = None
        try:
            event = decode_client_event(text)
            event_id = event.event_id
            await self._act(event)
        except OmnicallError as error:
            self.report(error, event_id)

    def report(self, error: OmnicallError, event_id: str | None = None) -> None:
        """Tell the client what could not be done."""
        details = ErrorDetails(
            type="server_error",
            code=error.code,
            message=error.message,
            event_id=event_id,
        )
        if isinstance(error, ProtocolError):
            details = details.model_copy(
                update={
                    "type": "invalid_request_error",
                    "param": error.param,
                    "event_id": error.event_id or event_id,
                }
            )
        self._context.metrics.errors.labels(error.code).inc()
        self._send(ErrorEvent(error=details))

    # --- client events

    async def _act(self, event: ClientEvent) -> None:
        match event:
            case InputAudioBufferAppend():
                self._append_audio(event.audio, "audio")
                self._has_open_audio = True
            case InputImageBufferAppend():
                self._images.admit_frame("image")
                self._session.append_image(await self._images.decode(event.image, "image"))
            case InputAudioBufferCommit():
                turn_id = self._session.commit()
                self._pending.expect(COMMIT_REFUSED, turn_id, event.event_id)
                self._has_open_audio = False
            case InputAudioBufferClear():
                self._session.clear()
                self._has_open_audio = False
            case OutputAudioBufferClear():
                self._clear_output()
            case SessionUpdate():
                self._update(event)
            case ResponseCreate():
                self._respond(event)
            case ResponseCancel():
                self._session.cancel(event.response_id)
                self._pending.expect(CANCEL_REFUSED, CANCEL_KEY, event.event_id)
            case ConversationItemCreate():
                await self._create_item(event)
            case _:
                self._act_on_item(event)

    def _act_on_item(
        self,
        event: ConversationItemRetrieve | ConversationItemTruncate | ConversationItemDelete,
    ) -> None:
        match event:
            case ConversationItemRetrieve():
                item = self._conversation.retrieve(event.item_id)
                self._send(ConversationItemRetrieved(item=item))
            case ConversationItemTruncate():
                response_id = self._conversation.spoken_response(
                    event.item_id, event.content_index, event.audio_end_ms
                )
                self._session.truncate(response_id, event.audio_end_ms / 1000)
            case ConversationItemDelete():
                self._send_all(self._conversation.delete(event.item_id))
                raise ProtocolError(
                    "the item left the list, but the model has already read it and still "
                    "remembers it; POST /v1/realtime/sessions/{id}/reset makes it forget",
                    code="history_not_rewound",
                    param="item_id",
                )

    def _update(self, event: SessionUpdate) -> None:
        settings = apply_patch(self.settings, event.session, self._defaults, self._model_names)
        self._session.update(session_options(settings, self._context.config))
        self._conversation.settings = settings
        self._send(SessionUpdated(session=settings.to_wire(self._session.id)))

    def _respond(self, event: ResponseCreate) -> None:
        wishes = event.response
        overrides = response_overrides(wishes, self.settings)
        response_id = self._session.respond(overrides)
        request = ResponseRequest(self.settings.max_output_tokens)
        if wishes is not None:
            request = ResponseRequest(
                wishes.max_output_tokens or self.settings.max_output_tokens, wishes.metadata
            )
        self._conversation.expect_response(response_id, request)
        self._pending.expect(RESPONSE_REFUSED, response_id, event.event_id)

    def _clear_output(self) -> None:
        """The client wants silence: what is being said ends, and its rest was never heard."""
        if self._spoken is None:
            raise ProtocolError(
                "output_audio_buffer.clear is for WebRTC calls; here, stop playing and send "
                "response.cancel and conversation.item.truncate",
                code="unsupported_event",
                param="type",
            )
        for response_id in self._spoken.silence():
            with contextlib.suppress(ProtocolError):  # it was cancelled before, as it should be
                self._session.cancel(response_id)

    def _append_audio(self, text: str, param: str) -> None:
        """Decode and hand on audio; sound that cannot fit is refused before it is decoded."""
        audio_format = self.settings.input_format
        max_backlog_s = self._context.config.session.max_backlog_s
        bytes_per_s = audio_format.rate_hz * audio_format.bytes_per_sample
        if decoded_bytes(text) > (max_backlog_s + 1) * bytes_per_s:
            raise ProtocolError(
                f"{param} is longer than the {max_backlog_s:g} s that audio may be ahead of real "
                "time; send it in smaller pieces as it is spoken",
                code="audio_too_fast",
                param=param,
            )
        pcm = pcm_from_client(decode_base64(text, param), audio_format)
        self._session.append_audio(pcm, audio_format.rate_hz)

    # --- items

    async def _create_item(self, event: ConversationItemCreate) -> None:
        message = event.item
        item_id = self._conversation.new_item_id(message.id, event.previous_item_id)
        for index, part in enumerate(message.content):
            if isinstance(part, OutputAudio):
                raise ProtocolError(
                    "what an assistant said can be replayed as output_text only",
                    code="unsupported_parameter",
                    param=f"item.content.{index}.type",
                )
        if isinstance(message, UserMessage):
            if any(isinstance(part, InputAudio) for part in message.content):
                self._create_audio_item(message, item_id, event.event_id)
                return
            if all(isinstance(part, InputImage) for part in message.content):
                await self._append_frames(message)
                self._send_all(self._conversation.add_message(message, item_id))
                return
        text = "\n".join(
            part.text for part in message.content if isinstance(part, InputText | OutputText)
        )
        images = await self._decode_images(message) if isinstance(message, UserMessage) else ()
        if not text.strip():
            raise ProtocolError("the item has no text", code="invalid_value", param="item.content")
        self._session.add_message(TextMessage(message.role, text, images))
        self._send_all(self._conversation.add_message(message, item_id))

    async def _append_frames(self, message: UserMessage) -> None:
        """Pictures without text are camera frames: the newest belongs to the unit being heard."""
        for _ in message.content:
            self._images.admit_frame("item.content")
        for image in await self._decode_images(message):
            self._session.append_image(image)

    async def _decode_images(self, message: UserMessage) -> tuple[ImageFrame, ...]:
        return tuple(
            [
                await self._images.decode(part.image_url, f"item.content.{index}.image_url")
                for index, part in enumerate(message.content)
                if isinstance(part, InputImage)
            ]
        )

    def _create_audio_item(self, message: UserMessage, item_id: str, event_id: str | None) -> None:
        """A recorded turn: appended and committed in one go."""
        part = message.content[0]
        if len(message.content) != 1 or not isinstance(part, InputAudio):
            raise ProtocolError(
                "an item with input_audio has no other parts; send them as items of their own",
                code="unsupported_parameter",
                param="item.content",
            )
        if self.settings.turn_detection is not None:
            raise ProtocolError(
                "items with input_audio need turn_detection null; with turn detection, use "
                "input_audio_buffer.append",
                code="unsupported_parameter",
                param="item.content.0.type",
            )
        if self._has_open_audio:
            raise ProtocolError(
                "there is audio that is not committed; send input_audio_buffer.commit or .clear "
                "first",
                code="invalid_request_error",
                param="item.content.0.audio",
            )
        self._append_audio(part.audio, "item.content.0.audio")
        turn_id = self._session.commit()
        self._conversation.expect_audio_item(turn_id, message, item_id)
        self._pending.expect(COMMIT_REFUSED, turn_id, event_id)

    # --- outputs

    def _tell_truncated(self, response_id: str, heard_s: float) -> None:
        self._send_all(self._conversation.translate(Truncated(response_id, heard_s)))

    def _send_all(self, events: Sequence[ServerEvent]) -> None:
        for event in events:
            self._send(event)

    def _report_refused(self, problem: Problem) -> bool:
        """Tell a refusal that came late with the event it is about; False when it is about none."""
        request = self._pending.refused(problem.code)
        if request is None:
            return False
        self._conversation.forget_request(request.key)
        self.report(ProtocolError(problem.message, code=problem.code, event_id=request.event_id))
        return True

    def _observe(self, output: SessionOutput) -> None:
        metrics = self._context.metrics
        match output:
            case TurnCommitted(turn_id):
                self._pending.confirm(COMMIT_REFUSED, turn_id)
            case ResponseStarted(response_id):
                self._pending.confirm(RESPONSE_REFUSED, response_id)
            case UnitDone():
                metrics.observe_unit(output.queue_s, output.compute_s, late=output.late)
            case ResponseFinished():
                if output.reason == CancelReason.CLIENT_CANCELLED:
                    self._pending.confirm(CANCEL_REFUSED, CANCEL_KEY)
                metrics.observe_response(output.status.value, output.timings, output.eou_delay_s)
            case SessionEnded(code) if code != CLOSED:
                metrics.errors.labels(code).inc()
            case _:
                pass
