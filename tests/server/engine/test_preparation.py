"""Checks of foreign content, before anything of it meets a batch."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from model.config import OmniConfig
from model.prompt import AudioItem, ImageItem, Template
from server.engine.interface import ImageFrame, InputUnit, SessionSpec, TextMessage
from server.engine.preparation import (
    MIN_CLIP_SAMPLES,
    BadContentError,
    decode_pcm,
    encode_wave,
    prepare,
)

pytestmark = pytest.mark.unit

CONFIG = OmniConfig()
SECOND = bytes(32_000)


def frame(width: int, height: int) -> ImageFrame:
    """A grey frame."""
    return ImageFrame(width, height, bytes([128]) * (width * height * 3))


def test_a_unit_is_its_marker_its_frame_and_its_audio() -> None:
    content = prepare(InputUnit(0, SECOND, frame(64, 48)), "omni", CONFIG)
    assert content.role == "user"
    assert content.items == (Template("<unit>"), ImageItem(None), AudioItem(16_000))
    assert len(content.slices) == 1
    assert content.samples is not None and content.samples.shape == (16_000,)


def test_an_audio_call_has_units_of_audio_alone() -> None:
    assert prepare(InputUnit(0, SECOND), "audio", CONFIG).items == (AudioItem(16_000),)


def test_audio_too_short_for_one_token_is_padded_with_silence() -> None:
    content = prepare(InputUnit(0, bytes(2)), "audio", CONFIG)
    assert content.items == (AudioItem(MIN_CLIP_SAMPLES),)


def test_a_message_shows_its_pictures_in_high_resolution_and_then_says_its_text() -> None:
    content = prepare(TextMessage("user", "look", (frame(900, 900),)), "omni", CONFIG)
    picture, text = content.items
    assert isinstance(picture, ImageItem) and picture.grid is not None
    assert text == "look"
    assert len(content.slices) == 1 + picture.grid[0] * picture.grid[1]


def test_a_frame_alone_is_sliced_like_a_picture() -> None:
    assert len(prepare(frame(900, 900), "omni", CONFIG).slices) > 1


def test_the_system_prompt_carries_the_voice() -> None:
    content = prepare(SessionSpec("audio", "en", None, SECOND), "audio", CONFIG)
    assert AudioItem(16_000) in content.items
    assert content.samples is not None
    assert prepare(SessionSpec(), "omni", CONFIG).samples is None


@pytest.mark.parametrize(
    "content",
    [
        InputUnit(0),
        InputUnit(0, b"\x00"),
        InputUnit(0, bytes(2 * 480_001)),
        InputUnit(0, SECOND, ImageFrame(0, 0, b"")),
        InputUnit(0, SECOND, ImageFrame(-1, -1, bytes(3))),
        InputUnit(0, SECOND, ImageFrame(10, 10, bytes(299))),
        InputUnit(0, b"", ImageFrame(30_000, 1, bytes(90_000))),
        TextMessage("user", ""),
        SessionSpec(voice_pcm=b"\x00"),
    ],
)
def test_what_cannot_be_given_to_the_model_is_refused(content: InputUnit) -> None:
    with pytest.raises(BadContentError):
        prepare(content, "omni", CONFIG)


def test_pcm_becomes_floats_and_back_without_a_change() -> None:
    samples = np.arange(-32_767, 32_768, 7, dtype="<i2")
    wave = decode_pcm(samples.tobytes())
    assert float(wave.abs().max()) < 1.0
    assert encode_wave(wave * 32_768 / 32_767) == samples.tobytes()


def test_what_is_louder_than_full_scale_is_clipped() -> None:
    pcm = encode_wave(torch.tensor([2.0, -2.0, 0.0]))
    assert np.frombuffer(pcm, "<i2").tolist() == [32_767, -32_767, 0]
