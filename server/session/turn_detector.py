"""Decides from speech probabilities and audio time alone when the user's turn starts and ends."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from server.session.options import TurnOptions

HYSTERESIS = 0.15
"""How far below the threshold the probability must fall to count as silence."""
LOWEST_THRESHOLD = 0.01
ROUNDING_S = 1e-9
"""Window edges are binary fractions, settings are decimal."""


class DecisionKind(StrEnum):
    """What was decided."""

    TURN_STARTED = "turn_started"
    TURN_ENDED = "turn_ended"
    INTERRUPTED = "interrupted"
    """The turn that just started takes the floor from the model; follows its TURN_STARTED."""


@dataclass(frozen=True, slots=True)
class TurnDecision:
    """One decision, in audio time."""

    kind: DecisionKind
    at_s: float
    """Where the turn starts (padding included) or where its speech ended."""
    decided_s: float
    """Audio time that was needed to know it."""


class TurnDetector:
    """A turn detector for one stream of windows; no clock, no audio.

    A window counts as speech from ``threshold`` upwards and as silence below ``threshold -
    HYSTERESIS``; in between it is whatever went before. A turn starts after ``min_speech_s``
    without silence and ends after ``min_silence_s`` without speech.
    """

    def __init__(self, options: TurnOptions) -> None:
        self.options = options
        self.in_turn = False
        """Whether the user is taking a turn."""
        self._silence_below = max(options.threshold - HYSTERESIS, LOWEST_THRESHOLD)
        self._speech_since_s: float | None = None
        self._silence_since_s: float | None = None
        self._taken_until_s = 0.0

    def push(
        self, probability: float, start_s: float, end_s: float, *, model_has_floor: bool
    ) -> list[TurnDecision]:
        """Take the next window.

        Args:
            probability: Of speech in it.
            start_s: Audio time of its first sample.
            end_s: Audio time after its last sample.
            model_has_floor: The listener is hearing, or about to hear, the model.

        Returns:
            At most two decisions.

        Raises:
            ValueError: ``probability`` is not between 0 and 1.
        """
        if not 0.0 <= probability <= 1.0:
            raise ValueError(f"{probability} is not a probability")
        if self.in_turn:
            return self._look_for_end(probability, start_s, end_s)
        return self._look_for_start(probability, start_s, end_s, model_has_floor)

    def reset(self, at_s: float) -> None:
        """Forget a turn under way; audio before ``at_s`` belongs to no later turn."""
        self.in_turn = False
        self._speech_since_s = None
        self._silence_since_s = None
        self._taken_until_s = at_s

    def _look_for_start(
        self, probability: float, start_s: float, end_s: float, model_has_floor: bool
    ) -> list[TurnDecision]:
        if probability < self._silence_below:
            self._speech_since_s = None
        elif probability >= self.options.threshold and self._speech_since_s is None:
            self._speech_since_s = start_s
        since_s = self._speech_since_s
        if since_s is None or end_s - since_s < self.options.min_speech_s - ROUNDING_S:
            return []
        self.in_turn = True
        self._speech_since_s = None
        turn_start_s = max(since_s - self.options.prefix_padding_s, self._taken_until_s)
        decisions = [TurnDecision(DecisionKind.TURN_STARTED, turn_start_s, end_s)]
        if model_has_floor and self.options.interrupt_response:
            decisions.append(TurnDecision(DecisionKind.INTERRUPTED, turn_start_s, end_s))
        return decisions

    def _look_for_end(self, probability: float, start_s: float, end_s: float) -> list[TurnDecision]:
        if probability >= self.options.threshold:
            self._silence_since_s = None
        elif probability < self._silence_below and self._silence_since_s is None:
            self._silence_since_s = start_s
        since_s = self._silence_since_s
        if since_s is None or end_s - since_s < self.options.min_silence_s - ROUNDING_S:
            return []
        self.reset(end_s)
        return [TurnDecision(DecisionKind.TURN_ENDED, since_s, end_s)]
