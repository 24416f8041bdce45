"""Responses: begun, spoken at the listener's pace, cut short, finished exactly once."""

from __future__ import annotations

from collections.abc import Callable

from server.engine.interface import (
    AudioChunk,
    Respond,
    ResponseDone,
    ResponseSpec,
    ResponseStatus,
    TextChunk,
)
from server.errors import ProtocolError
from server.session.events import (
    CancelReason,
    ResponseAudio,
    ResponseStarted,
    ResponseText,
    ResponseTrigger,
    Truncated,
)
from server.session.history import History
from server.session.output_queue import OutputQueue
from server.session.playout import Playout
from server.session.response_tracker import ROUNDING_S, TrackedResponse

AUDIO_HIGH_WATER = 64
"""Outputs a client may leave unread before speech waits for it; everything else goes on."""


class Responder:
    """Owns the response under way and the last one. Never awaits.

    Stale events are refused here and nowhere else: an event counts only if it carries the id of
    the response under way, and, once that is cancelled, only if it ends it.
    """

    def __init__(
        self,
        session_id: str,
        history: History,
        playout: Playout,
        outputs: OutputQueue,
        on_finished: Callable[[], None],
    ) -> None:
        self.active: TrackedResponse | None = None
        """The response that has not finished."""
        self.n_responses = 0
        self.n_interruptions = 0
        self.audio_s = 0.0
        """Speech released in all responses."""
        self._session_id = session_id
        self._history = history
        self._playout = playout
        self._outputs = outputs
        self._on_finished = on_finished
        self._last: TrackedResponse | None = None

    @property
    def model_has_floor(self) -> bool:
        """Whether the listener hears the model, or is about to."""
        if self.active is not None and self.active.cancel_reason is None:
            return True
        return self._playout.is_audible

    # --- forward

    def check_free(self) -> None:
        """
        Raises:
            ProtocolError: A response is under way.
        """
        if self.active is not None:
            raise ProtocolError(
                f"response {self.active.response_id} is under way; cancel it or wait for its end",
                code="conversation_already_has_active_response",
            )

    def begin(
        self,
        response_id: str,
        trigger: ResponseTrigger,
        spec: ResponseSpec,
        eou_delay_s: float | None,
    ) -> None:
        """Ask the engine for a response; there must be none under way."""
        assert self.active is None
        self.active = TrackedResponse(response_id, trigger, spec.audio, eou_delay_s)
        self.n_responses += 1
        self._outputs.put(ResponseStarted(response_id, trigger, spec.audio))
        self._history.respond(Respond(self._session_id, response_id, spec))

    def on_event(self, event: TextChunk | AudioChunk | ResponseDone) -> None:
        """Take what the engine says of a response."""
        active = self.active
        if active is None or event.response_id != active.response_id or active.done is not None:
            if isinstance(event, ResponseDone):
                self._history.on_response_done(event.response_id, event.mark)
            return
        match event:
            case ResponseDone():
                self._on_done(active, event)
            case _ if active.cancel_reason is not None:
                return
            case TextChunk():
                active.on_text(event)
                self._outputs.put(ResponseText(event.response_id, event.text))
            case AudioChunk():
                active.on_audio(event)
                self._playout.push(event.response_id, event.pcm)
                self.release_due()

    def release_due(self) -> float | None:
        """Release the speech that may leave now; seconds until more may, None for no idea."""
        while len(self._outputs) < AUDIO_HIGH_WATER:
            piece = self._playout.release()
            if piece is None:
                break
            output = ResponseAudio(piece.response_id, piece.pcm, piece.start_s)
            self.audio_s += piece.length_s
            self._outputs.put(output)
        else:
            # The reader's next step calls again.
            return None
        self._finish_if_complete()
        return self._playout.wait_s()

    # --- backward

    def interrupt(self) -> None:
        """The user took the floor: stop speaking, and remember only what was heard."""
        self.n_interruptions += 1
        if self.active is not None:
            self.cancel(CancelReason.TURN_DETECTED)
        elif self._last is not None:
            self._cut_short(self._last, self._playout.heard_s(self._last.response_id))

    def cancel_for_client(self, response_id: str | None) -> None:
        """Stop the response under way, if it is the one meant.

        Raises:
            ProtocolError: There is none, or it is another one.
        """
        if self.active is None or response_id not in (None, self.active.response_id):
            raise ProtocolError(
                "there is no such response under way; cancel between response.created and "
                "response.done",
                code="response_cancel_not_active",
            )
        self.cancel(CancelReason.CLIENT_CANCELLED)

    def cancel(self, reason: CancelReason, heard_s: float | None = None) -> None:
        """Stop the response under way and keep what was heard of it.

        Args:
            reason: Told to the client.
            heard_s: What was heard, if the client knows; else it is taken from the playout.
        """
        active = self.active
        if active is None or active.cancel_reason is not None:
            return
        active.cancel_reason = reason
        if heard_s is None:
            heard_s = self._playout.heard_s(active.response_id)
        if active.done is None:
            self._stop(active, heard_s)
        else:
            self._cut_short(active, heard_s)
        self._finish_if_complete()

    def truncate(self, response_id: str, audio_end_s: float) -> None:
        """Keep of a response only its first ``audio_end_s`` seconds of speech.

        Raises:
            ProtocolError: It is not the last one, has less speech than that, or so much was said
                since that the model cannot be made to forget the rest.
        """
        response = self._known(response_id)
        if audio_end_s > response.audio_s + ROUNDING_S:
            raise ProtocolError(
                f"the response has {response.audio_s:.3f} s of speech, less than "
                f"{audio_end_s:.3f} s; truncate within it",
                code="invalid_value",
                param="audio_end_ms",
            )
        if response is self.active and response.cancel_reason is None:
            self.cancel(CancelReason.CLIENT_CANCELLED, audio_end_s)
        elif audio_end_s < (response.audio_s if response.heard_s is None else response.heard_s):
            if not self._history.can_shorten(response_id):
                raise ProtocolError(
                    "too much was said since this response; truncate it when it is interrupted",
                    code="item_truncate_too_late",
                    param="item_id",
                )
            self._cut_short(response, audio_end_s)
        self._outputs.put(Truncated(response_id, audio_end_s))

    def forget(self) -> None:
        """The session is being reset: stop speaking; the engine ends the response itself."""
        if self.active is not None and self.active.cancel_reason is None:
            self.active.cancel_reason = CancelReason.SESSION_RESET
            self.active.heard_s = self._playout.heard_s(self.active.response_id)
        self._playout.clear()
        self._last = None
        self._finish_if_complete()

    def end_forgotten(self) -> None:
        """The engine has forgotten everything: finish a response it may never have begun."""
        active = self.active
        if active is not None and active.cancel_reason is CancelReason.SESSION_RESET:
            self._end_without_engine(active)

    def end(self, is_fault: bool) -> None:
        """The session is over: finish the response under way without waiting for the engine.

        Args:
            is_fault: The response failed; otherwise it was cancelled.
        """
        active = self.active
        if active is None:
            return
        if active.heard_s is None:
            active.heard_s = self._playout.heard_s(active.response_id)
        self._playout.clear()
        if is_fault and active.cancel_reason is None:
            status, reason = ResponseStatus.FAILED, "the model or the server failed"
            active.done = ResponseDone(self._session_id, active.response_id, status, reason)
        elif active.cancel_reason is None:
            active.cancel_reason = CancelReason.SESSION_CLOSED
        self._end_without_engine(active)

    # --- inside

    def _known(self, response_id: str) -> TrackedResponse:
        for response in (self.active, self._last):
            if response is not None and response.response_id == response_id:
                return response
        raise ProtocolError(
            f"only the last response can be truncated, and {response_id!r} is not it",
            code="item_truncate_invalid_item_id",
            param="item_id",
        )

    def _stop(self, active: TrackedResponse, heard_s: float) -> None:
        """Stop the engine. Going back to what was heard cancels, too; without it, nothing stays."""
        self._playout.clear()
        active.heard_s = heard_s
        active.kept_mark = active.mark_heard(heard_s)
        if active.kept_mark is not None:
            self._history.shorten(active.response_id, active.kept_mark)
        elif not self._history.cancel(active.response_id):
            self._end_without_engine(active)

    def _cut_short(self, response: TrackedResponse, heard_s: float) -> None:
        """Keep what was heard of a response the engine has finished."""
        self._playout.clear()
        response.heard_s = heard_s
        mark = response.mark_heard(heard_s)
        if mark != response.kept_mark or mark is None:
            response.kept_mark = mark
            self._history.shorten(response.response_id, mark)

    def _on_done(self, active: TrackedResponse, done: ResponseDone) -> None:
        active.done = done
        has_trace = done.mark is not None
        if active.is_cut_short and active.kept_mark is None and has_trace:
            # It was complete before the cancellation reached the engine. Taken back before the
            # history goes on: what waits there would otherwise be read first, in vain.
            self._history.shorten(active.response_id, None)
        elif not active.is_cut_short:
            active.kept_mark = done.mark
        self._history.on_response_done(active.response_id, done.mark)
        self._finish_if_complete()

    def _end_without_engine(self, active: TrackedResponse) -> None:
        if active.done is None:
            status = ResponseStatus.CANCELLED
            active.done = ResponseDone(self._session_id, active.response_id, status)
        self._finish_if_complete()

    def _finish_if_complete(self) -> None:
        active = self.active
        if active is None or active.done is None or self._playout.is_waiting(active.response_id):
            return
        self.active = None
        self._last = active if active.cancel_reason is not CancelReason.SESSION_RESET else None
        self._outputs.put(active.finished(self._playout.heard_s(active.response_id)))
        self._on_finished()
