from __future__ import annotations

import numpy as np
import pytest

from server.media.opus_decoder import OpusDecoder
from server.media.opus_encoder import FRAME_SAMPLES, SETTLING_FRAMES, OpusEncoder
from tests.fakes.opus_voice import tone

pytestmark = pytest.mark.unit


def test_silence_settles_and_is_then_not_encoded_again() -> None:
    encoder, decoder = OpusEncoder(), OpusDecoder()
    for frame in tone(440, 0.2).reshape(-1, FRAME_SAMPLES):
        decoder.decode(encoder.encode(frame))
    silence = [encoder.encode(None) for _ in range(20)]
    assert len({id(packet) for packet in silence[SETTLING_FRAMES - 1 :]}) == 1
    assert len(silence[-1]) < 10
    heard = [np.abs(decoder.decode(packet)).max() for packet in silence]
    assert heard[0] > 1000, "the end of the tone is still in the encoder"
    assert max(heard[SETTLING_FRAMES:]) == 0


def test_speech_after_silence_is_heard_from_its_first_frame() -> None:
    encoder, decoder = OpusEncoder(), OpusDecoder()
    for _ in range(50):
        decoder.decode(encoder.encode(None))
    wave = tone(440, 0.2).reshape(-1, FRAME_SAMPLES)
    levels = [np.abs(decoder.decode(encoder.encode(frame))).max() for frame in wave]
    assert levels[0] > 4000
