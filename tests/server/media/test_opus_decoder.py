from __future__ import annotations

import numpy as np
import pytest

from server.media.opus_decoder import OPUS_HZ, OpusDecoder, opus_samples
from server.media.opus_encoder import FRAME_SAMPLES, OpusEncoder
from tests.fakes.opus_voice import opus_packets, tone

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("first_bytes", "length_ms"),
    [
        (b"\x00", 10),  # SILK, narrow band
        (b"\x08", 20),
        (b"\x18", 60),
        (b"\x68", 20),  # hybrid
        (b"\x60", 10),
        (b"\xe0", 2.5),  # CELT
        (b"\xf8", 20),
        (b"\xf9", 40),  # two frames of one size
        (b"\xfa", 40),
        (b"\xfb\x03", 60),  # three frames
        (b"\xfb\x3f", 0),  # 63 frames are longer than a packet may be
        (b"\xfb", 0),  # cut off
        (b"", 0),
    ],
)
def test_length_is_read_from_the_first_bytes(first_bytes: bytes, length_ms: float) -> None:
    assert opus_samples(first_bytes) == length_ms * OPUS_HZ / 1000


def test_a_tone_survives_at_its_level() -> None:
    decoder = OpusDecoder()
    heard = np.concatenate([decoder.decode(p) for p in opus_packets(tone(440, 1.0))])
    assert heard.size == OPUS_HZ
    settled = heard[OPUS_HZ // 2 :].astype(float)
    spectrum = np.abs(np.fft.rfft(settled))
    assert np.argmax(spectrum) * OPUS_HZ / settled.size == pytest.approx(440, abs=3)
    assert np.sqrt((settled**2).mean()) == pytest.approx(8000 / np.sqrt(2), rel=0.1)


def test_damaged_packets_are_silence_and_the_next_one_is_heard() -> None:
    decoder = OpusDecoder()
    packets = opus_packets(tone(300, 0.2))
    for damaged in (b"", b"\xfb", b"\xfb\x3f" + b"x" * 40, b"\xff\x83\xff\xff"):
        assert decoder.decode(damaged).size == 0
    for packet in packets:
        assert decoder.decode(packet).size == FRAME_SAMPLES * 2


def test_a_stereo_packet_becomes_mono() -> None:
    stereo_silence = b"\xfc\xff\xfe"
    assert OpusDecoder().decode(stereo_silence).shape == (960,)


def test_encoder_and_decoder_agree_on_the_length() -> None:
    assert opus_samples(OpusEncoder().encode(None)) == FRAME_SAMPLES * 2
