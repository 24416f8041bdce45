"""Turns out of probabilities and audio time."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest

from server.media.voice_activity import WINDOW_S
from server.session.options import TurnOptions
from server.session.turn_detector import DecisionKind, TurnDecision, TurnDetector

pytestmark = pytest.mark.unit

STARTED, ENDED, INTERRUPTED = DecisionKind


def decide(
    probabilities: Sequence[float],
    options: TurnOptions | None = None,
    *,
    model_has_floor: bool = False,
    detector: TurnDetector | None = None,
) -> list[TurnDecision]:
    """All decisions over a stream of windows."""
    detector = detector or TurnDetector(options or TurnOptions())
    decisions = []
    for number, probability in enumerate(probabilities):
        start_s = number * WINDOW_S
        decisions += detector.push(
            probability, start_s, start_s + WINDOW_S, model_has_floor=model_has_floor
        )
    return decisions


def windows(seconds: float, probability: float) -> list[float]:
    """A stretch of equal windows."""
    return [probability] * round(seconds / WINDOW_S)


def test_a_turn_starts_after_enough_speech_with_its_padding() -> None:
    (decision,) = decide(windows(0.96, 0.0) + windows(0.32, 0.9))
    assert decision.kind is STARTED
    assert decision.at_s == pytest.approx(0.96 - 0.3)
    assert decision.decided_s == pytest.approx(0.96 + 0.128)


def test_a_turn_ends_after_enough_silence_where_the_speech_ended() -> None:
    _, ended = decide(windows(0.64, 0.9) + windows(1.28, 0.0))
    assert ended.kind is ENDED
    assert ended.at_s == pytest.approx(0.64)
    assert ended.decided_s == pytest.approx(0.64 + 0.512)


def test_a_click_is_no_turn() -> None:
    assert decide((windows(0.096, 0.9) + windows(0.32, 0.0)) * 10) == []


def test_a_pause_for_breath_does_not_end_a_turn() -> None:
    kinds = [d.kind for d in decide((windows(0.64, 0.9) + windows(0.448, 0.0)) * 5)]
    assert kinds == [STARTED]


def test_two_turns_are_two_turns() -> None:
    kinds = [d.kind for d in decide((windows(0.64, 0.9) + windows(0.64, 0.0)) * 2)]
    assert kinds == [STARTED, ENDED, STARTED, ENDED]


def test_between_the_thresholds_everything_stays_as_it_is() -> None:
    options = TurnOptions(threshold=0.5)
    assert decide(windows(3.0, 0.4), options) == []
    kinds = [d.kind for d in decide(windows(0.32, 0.9) + windows(3.0, 0.4), options)]
    assert kinds == [STARTED]


def test_a_hesitant_start_counts_from_its_first_speech() -> None:
    (decision,) = decide([*windows(0.64, 0.0), 0.6, 0.4, 0.4, 0.6])
    assert decision.at_s == pytest.approx(0.64 - 0.3)


def test_silence_that_began_counts_on_through_uncertain_windows() -> None:
    _, ended = decide([*windows(0.64, 0.9), 0.1, *windows(0.64, 0.4)])
    assert ended.at_s == pytest.approx(0.64)


def test_padding_never_reaches_into_the_turn_before() -> None:
    options = TurnOptions(min_silence_s=0.064, prefix_padding_s=1.0)
    stream = windows(0.32, 0.9) + windows(0.096, 0.0) + windows(0.32, 0.9)
    _, ended, second = decide(stream, options)
    assert second.kind is STARTED
    assert second.at_s == ended.decided_s


def test_padding_never_reaches_before_the_call() -> None:
    (decision,) = decide(windows(0.32, 0.9))
    assert decision.at_s == 0.0


def test_speech_while_the_model_has_the_floor_interrupts() -> None:
    started, interrupted = decide(windows(0.32, 0.9), model_has_floor=True)
    assert (started.kind, interrupted.kind) == (STARTED, INTERRUPTED)
    assert (interrupted.at_s, interrupted.decided_s) == (started.at_s, started.decided_s)


def test_speech_does_not_interrupt_where_it_must_not() -> None:
    options = TurnOptions(interrupt_response=False)
    (decision,) = decide(windows(0.32, 0.9), options, model_has_floor=True)
    assert decision.kind is STARTED


def test_a_reset_forgets_the_turn_and_what_lies_before() -> None:
    detector = TurnDetector(TurnOptions())
    decide(windows(0.32, 0.9), detector=detector)
    assert detector.in_turn
    detector.reset(0.5)
    assert not detector.in_turn
    speech = [
        detector.push(0.9, 0.5 + n * WINDOW_S, 0.5 + (n + 1) * WINDOW_S, model_has_floor=False)
        for n in range(4)
    ]
    assert speech[-1][0].at_s == 0.5


@pytest.mark.parametrize("bad", [math.nan, -1.0, 1.5])
def test_what_is_no_probability_is_an_error_and_not_silence(bad: float) -> None:
    with pytest.raises(ValueError, match="not a probability"):
        decide([bad])
