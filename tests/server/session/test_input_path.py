"""Which audio the model gets, and when."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.engine.interface import InputUnit, Mode
from server.media.pcm import MODEL_HZ, Samples, samples_from_bytes
from server.media.unitizer import FEWEST_SAMPLES
from server.session.input_path import HeldAudio, InputPath
from server.session.options import SessionOptions, TurnOptions
from server.session.turn_detector import DecisionKind, TurnDecision
from tests.fakes.fake_voice_activity import LoudnessVoiceActivity

pytestmark = pytest.mark.unit


def stretch(seconds: float, amplitude: int) -> Samples:
    """Samples that name their place a little, below or above the fake detector's bound."""
    n = round(seconds * MODEL_HZ)
    return (np.arange(n) % 100 + amplitude).astype(np.int16)


CALL = np.concatenate(
    [stretch(seconds, amplitude) for seconds, amplitude in
     [(1.7, 0), (1.3, 5_000), (0.9, 0), (0.06, 5_000), (0.4, 0), (2.2, 5_000), (1.1, 0)]]
)  # fmt: skip
"""Silence, a turn, a click, a longer turn."""


def new_path(mode: Mode, **turn_options: object) -> InputPath:
    """A path with turn detection."""
    turns = TurnOptions(**turn_options)  # type: ignore[arg-type]
    return InputPath(SessionOptions(mode=mode, turn_detection=turns), LoudnessVoiceActivity)


def hear(
    path: InputPath, pieces: list[Samples], floor: bool = False
) -> list[InputUnit | TurnDecision]:
    """Everything that follows from pieces of audio; a turn's end flushes, as the session does."""
    results: list[InputUnit | TurnDecision] = []
    for piece in pieces:
        for result in path.push_audio(piece, lambda: floor):
            results.append(result)
            if isinstance(result, TurnDecision) and result.kind is DecisionKind.TURN_ENDED:
                last = path.flush()
                results += [last] if last else []
    return results


def audio_of(results: list[InputUnit | TurnDecision]) -> Samples:
    """All audio in units."""
    return samples_from_bytes(
        b"".join(result.audio_pcm for result in results if isinstance(result, InputUnit))
    )


@pytest.mark.parametrize("mode", ["audio", "omni"])
@settings(deadline=None, max_examples=25)
@given(sizes=st.lists(st.integers(1, 9_000), max_size=30))
def test_any_cut_gives_the_same_turns_and_units(mode: Mode, sizes: list[int]) -> None:
    cuts = np.minimum(np.cumsum(sizes), CALL.size) if sizes else []
    whole = hear(new_path(mode), [CALL])
    assert hear(new_path(mode), np.split(CALL, cuts)) == whole
    kinds = [result.kind.value for result in whole if isinstance(result, TurnDecision)]
    assert kinds == ["turn_started", "turn_ended"] * 2


def test_in_audio_mode_units_hold_the_turns_from_their_padding_to_their_decision() -> None:
    results = hear(new_path("audio"), [CALL])
    decisions = [result for result in results if isinstance(result, TurnDecision)]
    expected = [
        CALL[round(start.at_s * MODEL_HZ) : round(end.decided_s * MODEL_HZ)]
        for start, end in zip(decisions[::2], decisions[1::2], strict=True)
    ]
    heard, turns = audio_of(results), np.concatenate(expected)
    assert np.array_equal(heard[: turns.size], turns)
    assert heard.size < turns.size + FEWEST_SAMPLES


def test_in_omni_mode_units_hold_everything() -> None:
    path = new_path("omni")
    results = hear(path, [CALL])
    last = path.flush()
    heard = audio_of([*results, *([last] if last else [])])
    assert np.array_equal(heard, CALL)


def test_while_the_model_speaks_only_the_newest_audio_is_kept() -> None:
    path = new_path("omni")
    results = hear(path, [stretch(5.0, 0)], floor=True)
    assert results == []
    results = hear(path, [stretch(1.0, 0)])
    last = path.flush()
    heard_s = audio_of([*results, *([last] if last else [])]).size / MODEL_HZ
    assert 1.0 < heard_s <= 1.0 + 0.3 + 0.128 + 0.064 + 0.001


def test_an_interruption_brings_its_first_words_along() -> None:
    path = new_path("audio")
    results = hear(path, [stretch(2.0, 0), stretch(1.0, 5_000)], floor=True)
    assert [type(result).__name__ for result in results[:2]] == ["TurnDecision"] * 2
    last = path.flush()
    heard = audio_of([*results, *([last] if last else [])])
    assert np.count_nonzero(heard >= 5_000) == MODEL_HZ


def test_without_turn_detection_everything_goes_into_units_whoever_speaks() -> None:
    path = InputPath(SessionOptions(mode="audio", turn_detection=None), LoudnessVoiceActivity)
    results = hear(path, [stretch(2.5, 0)], floor=True)
    assert len(results) == 2 and path.open_s == 0.5
    assert not path.detects_turns and not path.in_turn


def test_no_detector_is_made_before_it_is_needed() -> None:
    made = []

    def make() -> LoudnessVoiceActivity:
        made.append(LoudnessVoiceActivity())
        return made[-1]

    path = InputPath(SessionOptions(), make)
    hear(path, [stretch(0.03, 0)])
    assert made == []
    hear(path, [stretch(0.03, 0)])
    assert len(made) == 1


def test_a_clear_forgets_the_turn_but_not_the_time() -> None:
    path = new_path("audio")
    hear(path, [stretch(1.0, 5_000)])
    assert path.in_turn
    path.clear()
    assert not path.in_turn
    assert path.flush() is None
    assert path.audio_time_s == 1.0
    results = hear(path, [stretch(1.0, 5_000)])
    assert isinstance(results[0], TurnDecision)
    assert results[0].at_s == 1.0


def test_turn_detection_that_is_switched_on_knows_the_time() -> None:
    path = InputPath(SessionOptions(mode="audio", turn_detection=None), LoudnessVoiceActivity)
    hear(path, [stretch(1.25, 0)])
    path.configure(SessionOptions(mode="audio"))
    results = hear(path, [stretch(0.5, 5_000)])
    assert isinstance(results[0], TurnDecision)
    assert results[0].at_s == 1.25


def test_equal_rules_do_not_disturb_a_turn_and_new_ones_begin_anew() -> None:
    path = new_path("audio")
    hear(path, [stretch(1.0, 5_000)])
    path.configure(SessionOptions(mode="audio", max_output_tokens=1))
    assert path.in_turn
    path.configure(SessionOptions(mode="audio", turn_detection=TurnOptions(threshold=0.7)))
    assert not path.in_turn
    path.configure(SessionOptions(mode="audio", turn_detection=None))
    assert path.options == TurnOptions()


def test_held_audio_forgets_the_oldest() -> None:
    held = HeldAudio(0.1)
    for number in range(10):
        held.push(np.full(500, number, dtype=np.int16))
    kept = held.take()
    assert kept.size == 1_600
    assert kept[0] == 6 and kept[-1] == 9
    assert held.take().size == 0
    nothing = HeldAudio(0.0)
    nothing.push(np.zeros(5, dtype=np.int16))
    assert nothing.take().size == 0
