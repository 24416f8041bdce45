"""What of a response was heard."""

from __future__ import annotations

import pytest

from server.engine.interface import AudioChunk, ResponseDone, ResponseStatus, TextChunk
from server.session.events import CancelReason, ResponseTrigger
from server.session.response_tracker import TrackedResponse
from tests.fakes.scripted_replies import speech_pcm

pytestmark = pytest.mark.unit


def spoken(*, wants_audio: bool = True) -> TrackedResponse:
    """ "Hello my friend": text in three pieces, speech in two, the second over two words."""
    response = TrackedResponse("r", ResponseTrigger.REQUESTED, wants_audio, None)
    response.on_text(TextChunk("s", "r", "Hello", 11))
    response.on_audio(AudioChunk("s", "r", speech_pcm(0.5), 5))
    response.on_text(TextChunk("s", "r", " my", 12))
    response.on_text(TextChunk("s", "r", " friend", 13))
    response.on_audio(AudioChunk("s", "r", speech_pcm(0.7), 15))
    return response


@pytest.mark.parametrize(
    ("heard_s", "mark"),
    [(0.0, None), (0.49, None), (0.5, 11), (1.1, 11), (1.2, 13), (99.0, 13)],
)
def test_text_is_heard_when_its_piece_of_speech_was(heard_s: float, mark: int | None) -> None:
    assert spoken().mark_heard(heard_s) == mark


def test_text_without_speech_is_read_when_it_was_sent() -> None:
    assert spoken(wants_audio=False).mark_heard(0.0) == 13
    silent = TrackedResponse("r", ResponseTrigger.REQUESTED, False, None)
    assert silent.mark_heard(0.0) is None


def test_the_end_tells_the_engines_reason_or_the_cancellation() -> None:
    response = spoken()
    response.done = ResponseDone("s", "r", ResponseStatus.INCOMPLETE, "max_output_tokens")
    finished = response.finished(1.0)
    assert (finished.status, finished.reason) == (ResponseStatus.INCOMPLETE, "max_output_tokens")
    assert finished.heard_s == 1.0
    response.cancel_reason, response.heard_s = CancelReason.TURN_DETECTED, 0.6
    finished = response.finished(1.0)
    assert (finished.status, finished.reason) == (ResponseStatus.CANCELLED, "turn_detected")
    assert finished.heard_s == 0.6
