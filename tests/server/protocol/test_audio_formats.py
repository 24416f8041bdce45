"""Formats of sound on the wire."""

from __future__ import annotations

import pytest
from pydantic import TypeAdapter, ValidationError

from server.protocol.audio_formats import AudioFormat, PcmaFormat, PcmFormat, PcmuFormat

pytestmark = pytest.mark.unit

FORMATS: TypeAdapter[AudioFormat] = TypeAdapter(AudioFormat)


def test_pcm_is_24_khz_unless_the_client_says_16() -> None:
    assert FORMATS.validate_python({"type": "audio/pcm"}) == PcmFormat(rate=24000)
    assert FORMATS.validate_python({"type": "audio/pcm", "rate": 16000}).rate_hz == 16_000


def test_g711_is_one_byte_a_sample_at_8_khz() -> None:
    for g711 in (PcmuFormat(), PcmaFormat()):
        assert FORMATS.validate_python({"type": g711.type}) == g711
        assert (g711.rate_hz, g711.bytes_per_sample) == (8000, 1)
    assert PcmFormat().bytes_per_sample == 2


@pytest.mark.parametrize("wrong", [{"type": "audio/pcm_f32le"}, {"type": "audio/opus"}, {}])
def test_other_formats_are_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        FORMATS.validate_python(wrong)
