"""Bytes and samples."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.errors import ProtocolError
from server.media.pcm import (
    NO_SAMPLES,
    bytes_from_samples,
    duration_s,
    samples_from_bytes,
    samples_from_float,
)

pytestmark = pytest.mark.unit


def test_samples_are_little_endian() -> None:
    assert samples_from_bytes(b"\x01\x00\xff\xff\x00\x80").tolist() == [1, -1, -32768]


@settings(deadline=None, max_examples=25)
@given(st.binary(max_size=64).map(lambda data: data[: len(data) // 2 * 2]))
def test_bytes_come_back_as_they_were(pcm: bytes) -> None:
    assert bytes_from_samples(samples_from_bytes(pcm)) == pcm


def test_half_a_sample_is_refused_with_the_remedy() -> None:
    with pytest.raises(ProtocolError, match="even number") as refused:
        samples_from_bytes(b"\x00\x00\x00")
    assert refused.value.code == "invalid_audio"


def test_floats_are_scaled_rounded_and_clipped() -> None:
    wave = np.array([0.0, 0.5, -1.0, 1.0, 3.0, -3.0], dtype=np.float32)
    assert samples_from_float(wave).tolist() == [0, 16384, -32768, 32767, 32767, -32768]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_floats_that_are_no_sound_are_refused(bad: float) -> None:
    with pytest.raises(ProtocolError, match="not a number") as refused:
        samples_from_float(np.array([0.0, bad]))
    assert refused.value.code == "invalid_audio"


def test_duration_counts_samples() -> None:
    assert duration_s(bytes(32_000), 16_000) == 1.0


def test_the_empty_piece_cannot_be_changed_by_accident() -> None:
    assert not NO_SAMPLES.flags.writeable
