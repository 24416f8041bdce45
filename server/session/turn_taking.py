"""The user's side of a call: audio and frames become units, turns and reasons to answer."""

from __future__ import annotations

from collections.abc import Callable

from server.clock import Clock
from server.engine.interface import ImageFrame, InputUnit, TextMessage
from server.errors import ProtocolError
from server.media.pcm import MODEL_HZ, Samples, duration_s
from server.protocol.ids import new_id
from server.session.events import AudioCleared, TurnCommitted, TurnEnded, TurnStarted
from server.session.history import History
from server.session.input_path import InputPath
from server.session.options import SessionOptions
from server.session.output_queue import OutputQueue
from server.session.responder import Responder
from server.session.turn_detector import DecisionKind, TurnDecision


class TurnTaking:
    """Owns the user's turn under way. Never awaits."""

    def __init__(
        self,
        path: InputPath,
        history: History,
        responder: Responder,
        outputs: OutputQueue,
        clock: Clock,
        answer: Callable[[float], None],
    ) -> None:
        """
        Args:
            path: Where audio and frames go.
            history: Takes the units.
            responder: Tells who has the floor; is interrupted.
            outputs: Takes what is to be told.
            clock: For the wall time between hearing and deciding.
            answer: Begins a response to the turn that ended, given its ``eou_delay_s``.
        """
        self.n_turns = 0
        """Turns that are part of the conversation."""
        self._path = path
        self._history = history
        self._responder = responder
        self._outputs = outputs
        self._clock = clock
        self._answer = answer
        self._turn_id: str | None = None
        self._turn_start_s = 0.0
        self._uncommitted_s = 0.0
        self._unanswered_eou_s: float | None = None

    @property
    def turn_id(self) -> str | None:
        """The detected turn under way."""
        return self._turn_id

    def configure(self, options: SessionOptions) -> None:
        """Take up new options."""
        self._path.configure(options)
        if not self._path.in_turn:
            self._turn_id = None

    def hear(self, samples: Samples, received_at_s: float) -> None:
        """Take audio ``[n]`` at 16 kHz that came in at ``received_at_s``.

        Raises:
            VoiceActivityError: It is unknown whether the user speaks.
        """
        for result in self._path.push_audio(samples, lambda: self._responder.model_has_floor):
            if isinstance(result, InputUnit):
                self._prefill(result)
            else:
                self._act(result, received_at_s)

    def see(self, frame: ImageFrame) -> None:
        """Take a frame; the newest of a unit wins."""
        self._path.push_image(frame)

    def commit(self, turn_id: str) -> None:
        """The client ends the turn.

        Raises:
            ProtocolError: There is nothing to commit.
        """
        audio_s = self._uncommitted_s + self._path.open_s
        if not audio_s and not self._path.has_image:
            raise ProtocolError(
                "there is no audio to commit; append some first",
                code="input_audio_buffer_commit_empty",
            )
        self._path.end_turn()
        self._commit(self._turn_id or turn_id, audio_s)

    def clear(self) -> None:
        """The client throws away what it did not commit."""
        self._history.clear_uncommitted()
        self.reset()
        self._outputs.put(AudioCleared())

    def reset(self) -> None:
        """Forget the turn under way."""
        self._path.clear()
        self._turn_id = None
        self._uncommitted_s = 0.0
        self._unanswered_eou_s = None

    def flush_context(self) -> None:
        """Give the model what it should know for a response that is not the answer to a turn.

        Audio the client has not committed stays out; a frame alone, and what is heard and seen
        between detected turns, is context.
        """
        is_open = self._path.in_turn if self._path.detects_turns else self._path.open_s > 0
        unit = None if is_open else self._path.flush()
        if unit is not None:
            self._prefill(unit)

    def type(self, message: TextMessage) -> None:
        """Add typed text, after the picture under which it was typed."""
        self.flush_context()
        self._history.prefill(message, is_committed=True)

    def on_response_finished(self) -> None:
        """Answer the turn that ended while the model was speaking."""
        if self._unanswered_eou_s is not None:
            eou_delay_s, self._unanswered_eou_s = self._unanswered_eou_s, None
            self._answer(eou_delay_s)

    def _prefill(self, unit: InputUnit) -> None:
        is_committed = self._path.detects_turns and not self._path.in_turn
        if not is_committed:
            self._uncommitted_s += duration_s(unit.audio_pcm, MODEL_HZ)
        self._history.prefill(unit, is_committed=is_committed)

    def _act(self, decision: TurnDecision, received_at_s: float) -> None:
        match decision.kind:
            case DecisionKind.TURN_STARTED:
                self._turn_id = new_id("turn")
                self._turn_start_s = decision.at_s
                self._outputs.put(TurnStarted(self._turn_id, decision.at_s))
                if self._path.options.interrupt_response:
                    # The user goes on: the turn before needs no answer of its own.
                    self._unanswered_eou_s = None
            case DecisionKind.INTERRUPTED:
                self._responder.interrupt()
            case DecisionKind.TURN_ENDED:
                self._end_turn(decision, received_at_s)

    def _end_turn(self, decision: TurnDecision, received_at_s: float) -> None:
        turn_id = self._turn_id or new_id("turn")
        self._outputs.put(TurnEnded(turn_id, decision.at_s))
        self._commit(turn_id, decision.decided_s - self._turn_start_s)
        if not self._path.options.create_response:
            return
        processing_s = self._clock.monotonic() - received_at_s
        eou_delay_s = decision.decided_s - decision.at_s + processing_s
        if self._responder.active is None:
            self._answer(eou_delay_s)
        else:
            self._unanswered_eou_s = eou_delay_s

    def _commit(self, turn_id: str, audio_s: float) -> None:
        unit = self._path.flush()
        if unit is not None:
            self._history.prefill(unit, is_committed=True)
        self._history.commit()
        self._turn_id = None
        self._uncommitted_s = 0.0
        self.n_turns += 1
        self._outputs.put(TurnCommitted(turn_id, audio_s))
