"""Both laws of G.711."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.media.g711 import Law, decode, encode
from server.media.pcm import Samples

pytestmark = pytest.mark.unit

LAWS: tuple[Law, ...] = ("pcmu", "pcma")
EVERY_CODE = bytes(range(256))


@pytest.mark.parametrize(
    ("law", "code", "sample"),
    [
        ("pcmu", 0xFF, 0),
        ("pcmu", 0x80, 32_124),
        ("pcmu", 0x00, -32_124),
        ("pcmu", 0xEF, 132),
        ("pcma", 0xD5, 8),
        ("pcma", 0x55, -8),
        ("pcma", 0xAA, 32_256),
        ("pcma", 0x2A, -32_256),
    ],
)
def test_codes_of_the_recommendation(law: Law, code: int, sample: int) -> None:
    assert decode(bytes([code]), law).tolist() == [sample]
    assert encode(np.array([sample], dtype=np.int16), law) == bytes([code])


@pytest.mark.parametrize("law", LAWS)
def test_what_was_encoded_once_is_not_changed_by_encoding_again(law: Law) -> None:
    once = decode(EVERY_CODE, law)
    assert np.array_equal(decode(encode(once, law), law), once)


@settings(deadline=None, max_examples=25)
@given(law=st.sampled_from(LAWS), values=st.lists(st.integers(-32_768, 32_767), max_size=50))
def test_the_error_stays_below_a_sixteenth(law: Law, values: list[int]) -> None:
    samples: Samples = np.array(values, dtype=np.int16)
    heard = decode(encode(samples, law), law).astype(int)
    allowed = np.abs(samples.astype(int)) / 16 + 16
    clipped = np.abs(samples.astype(int)) > 32_124
    assert (np.abs(heard - samples) <= allowed)[~clipped].all()


@pytest.mark.parametrize("law", LAWS)
def test_louder_never_decodes_quieter(law: Law) -> None:
    loudness = decode(encode(np.arange(-32_768, 32_768).astype(np.int16), law), law).astype(int)
    assert (np.diff(loudness) >= 0).all()


@pytest.mark.parametrize("law", LAWS)
def test_silence_in_silence_out(law: Law) -> None:
    assert encode(np.zeros(0, dtype=np.int16), law) == b""
    assert decode(b"", law).size == 0
    assert np.abs(decode(encode(np.zeros(4, dtype=np.int16), law), law)).max() <= 8
