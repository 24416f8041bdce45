"""Speech in the client's format."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.errors import ProtocolError
from server.gateway.speech_encoder import SpeechEncoder, pcm_from_client
from server.protocol.audio_formats import AudioFormat, PcmaFormat, PcmFormat, PcmuFormat

pytestmark = pytest.mark.unit

TONE = (8000 * np.sin(np.arange(24_000) * 2 * np.pi * 300 / 24_000)).astype("<i2").tobytes()
FORMATS = [PcmFormat(rate=16000), PcmuFormat(), PcmaFormat()]


def encoded(audio_format: AudioFormat, pieces: list[bytes]) -> bytes:
    encoder = SpeechEncoder(audio_format)
    return b"".join([encoder.encode(piece) for piece in pieces] + [encoder.flush()])


def test_speech_at_24_khz_passes_as_it_is() -> None:
    assert encoded(PcmFormat(), [TONE[:100], TONE[100:]]) == TONE


@pytest.mark.parametrize("audio_format", FORMATS, ids=lambda f: f.type)
def test_a_second_of_speech_is_a_second_in_every_format(audio_format: AudioFormat) -> None:
    n_bytes = len(encoded(audio_format, [TONE]))
    assert n_bytes == audio_format.rate_hz * audio_format.bytes_per_sample


@settings(deadline=None, max_examples=15)
@given(cuts=st.lists(st.integers(0, 24_000), max_size=6), audio_format=st.sampled_from(FORMATS))
def test_what_is_sent_does_not_depend_on_the_cuts(
    cuts: list[int], audio_format: AudioFormat
) -> None:
    edges = [0, *sorted(2 * cut for cut in cuts), len(TONE)]
    pieces = [TONE[start:end] for start, end in itertools.pairwise(edges)]
    assert encoded(audio_format, pieces) == encoded(audio_format, [TONE])


@pytest.mark.parametrize("audio_format", [PcmuFormat(), PcmaFormat()], ids=lambda f: f.type)
def test_g711_from_a_client_comes_back_as_it_was_sent(audio_format: AudioFormat) -> None:
    sent = encoded(audio_format, [TONE])
    pcm = pcm_from_client(sent, audio_format)
    assert len(pcm) == 2 * len(sent)
    loudest = np.abs(np.frombuffer(pcm, "<i2")).max()
    assert 7000 < loudest < 9000


def test_half_a_sample_is_refused() -> None:
    assert pcm_from_client(b"\x01\x02", PcmFormat()) == b"\x01\x02"
    with pytest.raises(ProtocolError) as caught:
        pcm_from_client(b"odd", PcmFormat())
    assert caught.value.code == "invalid_audio"
