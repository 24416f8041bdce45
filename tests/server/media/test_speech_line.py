from __future__ import annotations

import numpy as np
import pytest

from server.media.opus_encoder import FRAME_SAMPLES
from server.media.pcm import SPEECH_HZ, bytes_from_samples
from server.media.speech_line import CutSpeech, SpeechLine

pytestmark = pytest.mark.unit


def pcm(first: int, n_samples: int) -> bytes:
    return bytes_from_samples(np.arange(first, first + n_samples, dtype=np.int16))


def test_pieces_of_any_length_come_out_in_frames_and_in_order() -> None:
    line = SpeechLine()
    assert line.pull() is None
    assert line.push("a", pcm(0, 100))
    assert not line.push("a", pcm(100, 1000))
    line.finish("a")
    frames = [line.pull() for _ in range(3)]
    assert line.pull() is None
    joined = np.concatenate([frame for frame in frames if frame is not None])
    assert joined.size == 3 * FRAME_SAMPLES
    assert (joined[:1100] == np.arange(1100)).all()
    assert not joined[1100:].any(), "the last frame is filled up with silence"


def test_a_response_is_over_when_it_is_finished_and_handed_out() -> None:
    line = SpeechLine()
    line.push("a", pcm(0, FRAME_SAMPLES))
    line.pull()
    assert line.take_ended() == [], "more may come"
    line.push("a", pcm(0, FRAME_SAMPLES))
    line.finish("a")
    assert line.take_ended() == []
    line.pull()
    assert line.take_ended() == ["a"]
    assert line.take_ended() == []


def test_responses_follow_each_other_without_a_hole() -> None:
    line = SpeechLine()
    line.push("a", pcm(0, 300))
    line.finish("a")
    assert line.push("b", pcm(300, 180))
    frame = line.pull()
    assert frame is not None
    assert (frame == np.arange(480)).all()
    assert line.take_ended() == ["a"]


def test_clearing_tells_how_much_of_each_was_played() -> None:
    line = SpeechLine()
    assert line.clear() == []
    line.push("a", pcm(0, 3 * FRAME_SAMPLES))
    line.push("b", pcm(0, FRAME_SAMPLES))
    line.pull()
    assert line.clear() == [CutSpeech("a", FRAME_SAMPLES / SPEECH_HZ), CutSpeech("b", 0.0)]
    assert line.pull() is None


def test_finishing_what_never_spoke_is_nothing() -> None:
    line = SpeechLine()
    line.finish("a")
    assert line.take_ended() == []
