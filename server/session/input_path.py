"""From the microphone to units and turns: which audio the model gets, and when a turn is decided.

No clock and no I/O: everything is decided on audio time, which counts samples at 16 kHz.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator

import numpy as np

from server.engine.interface import ImageFrame, InputUnit, Mode
from server.media.pcm import MODEL_HZ, Samples
from server.media.unitizer import Unitizer
from server.media.voice_activity import WINDOW_S, WINDOW_SAMPLES, VoiceActivity
from server.session.options import SessionOptions, TurnOptions
from server.session.turn_detector import TurnDecision, TurnDetector


class HeldAudio:
    """The newest audio of a stretch the model does not get, in case a turn starts in it.

    Bounded: the oldest samples beyond ``capacity_s`` are dropped; they are no part of any turn.
    """

    def __init__(self, capacity_s: float) -> None:
        self._capacity = round(capacity_s * MODEL_HZ)
        self._pieces: deque[Samples] = deque()
        self._size = 0

    def push(self, samples: Samples) -> None:
        """Keep ``samples`` and forget what is too old."""
        self._pieces.append(samples)
        self._size += samples.size
        while self._pieces and self._size - self._pieces[0].size >= self._capacity:
            self._size -= self._pieces.popleft().size

    def take(self, n_samples: int | None = None) -> Samples:
        """The newest ``n_samples``, or the newest ``capacity_s``; nothing stays here."""
        wanted = self._capacity if n_samples is None else n_samples
        kept = np.concatenate(self._pieces) if self._pieces else np.zeros(0, dtype=np.int16)
        self._pieces.clear()
        self._size = 0
        return kept[max(kept.size - wanted, 0) :]


class InputPath:
    """One session's audio and frames on their way to the model.

    With turn detection, audio is *held* (only its newest part is kept) while the model has the
    floor and, in ``audio`` mode, before a turn; otherwise it goes into units. Without, it always
    goes into units.
    """

    def __init__(
        self, options: SessionOptions, new_voice_activity: Callable[[], VoiceActivity]
    ) -> None:
        self._new_voice_activity = new_voice_activity
        self._voice_activity: VoiceActivity | None = None
        self._unitizer = Unitizer()
        self._window: list[Samples] = []
        self._window_size = 0
        self._n_samples = 0
        self._mode: Mode = options.mode
        self._turns: TurnDetector | None = None
        self._held = HeldAudio(0.0)
        self.configure(options)

    @property
    def audio_time_s(self) -> float:
        """Audio received so far, in seconds."""
        return self._n_samples / MODEL_HZ

    @property
    def options(self) -> TurnOptions:
        """How turns are detected; the defaults where none are."""
        return TurnOptions() if self._turns is None else self._turns.options

    @property
    def in_turn(self) -> bool:
        """Whether a detected turn is under way."""
        return self._turns is not None and self._turns.in_turn

    @property
    def detects_turns(self) -> bool:
        """Whether turns are detected here, not committed by the client."""
        return self._turns is not None

    @property
    def open_s(self) -> float:
        """Audio in the open unit, in seconds."""
        return self._unitizer.open_s

    @property
    def has_image(self) -> bool:
        """Whether the open unit has a frame."""
        return self._unitizer.has_image

    def configure(self, options: SessionOptions) -> None:
        """Take up new options; a turn under way is forgotten when its rules change."""
        self._mode = options.mode
        turn_options = options.turn_detection
        if self._turns is not None and self._turns.options == turn_options:
            return
        held = self._held.take()
        if turn_options is None:
            self._turns = None
            return
        self._turns = TurnDetector(turn_options)
        self._turns.reset(self.audio_time_s)
        self._held = HeldAudio(_held_s(turn_options))
        self._held.push(held)

    def push_audio(
        self, samples: Samples, model_has_floor: Callable[[], bool]
    ) -> Iterator[InputUnit | TurnDecision]:
        """Take audio ``[n]`` at 16 kHz; yield what follows from it, in order.

        Whoever iterates acts on each result before asking for the next: an interruption changes
        who has the floor for the rest of ``samples``.

        Raises:
            VoiceActivityError: It is unknown whether the user speaks.
        """
        while samples.size:
            room = WINDOW_SAMPLES - self._window_size
            piece, samples = samples[:room], samples[room:]
            self._n_samples += piece.size
            yield from self._route(piece, model_has_floor())
            if self._turns is not None:
                self._window.append(piece)
                self._window_size += piece.size
                if self._window_size == WINDOW_SAMPLES:
                    yield from self._decide(self._turns, model_has_floor())

    def push_image(self, frame: ImageFrame) -> None:
        """Make ``frame`` the open unit's."""
        self._unitizer.push_image(frame)

    def flush(self) -> InputUnit | None:
        """The open unit, however short; None when it is empty."""
        return self._unitizer.flush()

    def end_turn(self) -> None:
        """The client committed the turn itself; what comes belongs to the next."""
        if self._turns is not None:
            self._turns.reset(self.audio_time_s)

    def clear(self) -> None:
        """Forget the open unit, what is held and a turn under way; audio time goes on."""
        self._unitizer.clear()
        self._held.take()
        self._window.clear()
        self._window_size = 0
        if self._voice_activity is not None:
            self._voice_activity.reset()
        self.end_turn()

    def _is_held(self, model_has_floor: bool) -> bool:
        if self._turns is None or self._turns.in_turn:
            return False
        return model_has_floor or self._mode == "audio"

    def _route(self, piece: Samples, model_has_floor: bool) -> Iterator[InputUnit]:
        if self._is_held(model_has_floor):
            self._held.push(piece)
            return
        held = self._held.take()
        if held.size:
            yield from self._unitizer.push_audio(held)
        yield from self._unitizer.push_audio(piece)

    def _decide(
        self, turns: TurnDetector, model_has_floor: bool
    ) -> Iterator[InputUnit | TurnDecision]:
        if self._voice_activity is None:
            self._voice_activity = self._new_voice_activity()
        window = np.concatenate(self._window)
        self._window.clear()
        self._window_size = 0
        probability = self._voice_activity.probability(window)
        end_s = self.audio_time_s
        was_held = self._is_held(model_has_floor)
        decisions = turns.push(
            probability, end_s - WINDOW_S, end_s, model_has_floor=model_has_floor
        )
        yield from decisions
        if was_held and decisions:
            # Audio is held outside turns only, so the first decision can only be a start.
            turn_samples = self._n_samples - round(decisions[0].at_s * MODEL_HZ)
            yield from self._unitizer.push_audio(self._held.take(turn_samples))


def _held_s(options: TurnOptions) -> float:
    """Audio that a turn can reach back to: its padding and the speech needed to decide."""
    return options.prefix_padding_s + options.min_speech_s + 2 * WINDOW_S
