"""From bytes to what the networks take: checks, slicing and the place of everything in a prompt.

All checks of foreign content are here, before anything of it meets a batch: what is wrong with one
session's input costs that input and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from model.audio_features import MAX_CLIP_SAMPLES
from model.config import OmniConfig
from model.image_slicing import ImageSlice, slice_image
from model.prompt import UNIT, AudioItem, ContentItem, ImageItem, SystemPromptMode, system_prompt
from server.engine.interface import ImageFrame, InputUnit, Mode, Role, SessionSpec, TextMessage
from server.errors import EngineError

BYTES_PER_SAMPLE = 2
BYTES_PER_PIXEL = 3
INT16_SCALE = 32_768
MIN_CLIP_SAMPLES = 400
"""Shorter audio is padded with silence: one analysis window, which gives one token."""
UNIT_SLICES = 1
"""Slices of a unit's frame: the overview alone."""


class BadContentError(EngineError):
    """A unit, message or voice cannot be given to the model; the text says why."""

    code = "bad_content"


@dataclass(frozen=True, slots=True)
class PreparedContent:
    """One message's content, checked and ready to encode."""

    role: Role
    items: tuple[ContentItem, ...]
    """Its places in the prompt, in order."""
    slices: tuple[ImageSlice, ...] = ()
    samples: Tensor | None = None
    """Float32 ``[n]`` at 16 kHz."""


def prepare(
    content: InputUnit | TextMessage | SessionSpec | ImageFrame, mode: Mode, config: OmniConfig
) -> PreparedContent:
    """Check content and lay it out.

    Args:
        content: A unit, a typed message, a session's system prompt, or one frame to be seen in high
            resolution.
        mode: The session's; units of ``omni`` say where they begin.
        config: Of the checkpoint.

    Raises:
        BadContentError: It is empty, malformed or of impossible size.
    """
    match content:
        case InputUnit():
            return _prepare_unit(content, mode, config)
        case TextMessage():
            return _prepare_message(content, config)
        case SessionSpec():
            return _prepare_system(content)
        case ImageFrame():
            slices, item = slice_frame(content, config, config.max_slice_nums)
            return PreparedContent("user", (item,), slices)


def _prepare_unit(unit: InputUnit, mode: Mode, config: OmniConfig) -> PreparedContent:
    if unit.image is None and not unit.audio_pcm:
        raise BadContentError("the unit has neither audio nor a frame")
    items: list[ContentItem] = [UNIT] if mode == "omni" else []
    slices: tuple[ImageSlice, ...] = ()
    if unit.image is not None:
        slices, item = slice_frame(unit.image, config, UNIT_SLICES)
        items.append(item)
    samples = decode_pcm(unit.audio_pcm) if unit.audio_pcm else None
    if samples is not None:
        items.append(AudioItem(samples.shape[0]))
    return PreparedContent("user", tuple(items), slices, samples)


def _prepare_message(message: TextMessage, config: OmniConfig) -> PreparedContent:
    items: list[ContentItem] = []
    slices: list[ImageSlice] = []
    for image in message.images:
        image_slices, item = slice_frame(image, config, config.max_slice_nums)
        slices += image_slices
        items.append(item)
    if message.text:
        items.append(message.text)
    if not items:
        raise BadContentError("the message has neither text nor pictures")
    return PreparedContent(message.role, tuple(items), tuple(slices))


def _prepare_system(spec: SessionSpec) -> PreparedContent:
    samples = decode_pcm(spec.voice_pcm) if spec.voice_pcm else None
    voice = AudioItem(samples.shape[0]) if samples is not None else None
    mode: SystemPromptMode = "omni" if spec.mode == "omni" else "audio_assistant"
    items = system_prompt(mode, spec.language, voice, spec.instructions)
    # The checkpoint was trained with its system prompts in a message of the user.
    return PreparedContent("user", items, (), samples)


def slice_frame(
    frame: ImageFrame, config: OmniConfig, max_slices: int
) -> tuple[tuple[ImageSlice, ...], ImageItem]:
    """Slices of a frame and its place in a prompt.

    Raises:
        BadContentError: Its bytes are not its size, or no camera makes such a size.
    """
    expected = frame.width * frame.height * BYTES_PER_PIXEL
    if frame.width < 1 or frame.height < 1 or len(frame.rgb) != expected:
        raise BadContentError(
            f"a frame of {frame.width} x {frame.height} pixels has {max(expected, 0)} bytes of RGB,"
            f" this one has {len(frame.rgb)}"
        )
    pixels = np.frombuffer(frame.rgb, np.uint8).reshape(frame.height, frame.width, BYTES_PER_PIXEL)
    try:
        sliced = slice_image(pixels, config, max_slices)
    except ValueError as error:
        raise BadContentError(str(error)) from error
    return tuple(sliced.slices), ImageItem(sliced.grid)


def decode_pcm(pcm: bytes) -> Tensor:
    """Float32 samples ``[n]`` in -1 .. 1 of 16-bit little-endian mono.

    Raises:
        BadContentError: An odd number of bytes, or more than 30 s.
    """
    if len(pcm) % BYTES_PER_SAMPLE:
        raise BadContentError(f"16-bit audio has an even number of bytes, this has {len(pcm)}")
    samples = np.frombuffer(pcm, "<i2").astype(np.float32) / INT16_SCALE
    if samples.shape[0] > MAX_CLIP_SAMPLES:
        raise BadContentError(
            f"{samples.shape[0]} samples of audio in one piece; the most is {MAX_CLIP_SAMPLES}"
        )
    if samples.shape[0] < MIN_CLIP_SAMPLES:
        samples = np.pad(samples, (0, MIN_CLIP_SAMPLES - samples.shape[0]))
    return torch.from_numpy(samples)


def encode_wave(wave: Tensor) -> bytes:
    """16-bit little-endian PCM of a float wave ``[n]``; what is louder than 1 is clipped."""
    samples: np.ndarray = wave.detach().float().cpu().numpy()
    scaled = np.rint(np.clip(samples, -1.0, 1.0) * (INT16_SCALE - 1))
    return bytes(scaled.astype("<i2").tobytes())
