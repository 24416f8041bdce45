"""The composed model: stages batched over sessions equal the sessions alone."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

from model.image_slicing import slice_image
from model.loading import load_checkpoint, verify_checkpoint
from model.omni import AudioClip, OmniModel
from model.prompt import UNIT, AudioItem, ImageItem, Prompt, encode_prompt
from model.speech.speech_decoder import SpeechStep, TextPrefill

pytestmark = pytest.mark.unit

GOLDEN = Path(__file__).parents[1] / "golden"
ATOL = 2e-5


@cache
def model() -> OmniModel:
    return load_checkpoint(GOLDEN, "cpu", "float32")


def noise_audio(seed: int, seconds: float = 1.0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(round(16_000 * seconds), generator=generator) * 0.1


def noise_image(seed: int, width: int, height: int) -> np.ndarray:
    shape = (height, width, 3)
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def unit_prompt() -> Prompt:
    return encode_prompt([UNIT, ImageItem(), AudioItem(16_000)], model().tokenizer, model().config)


@torch.inference_mode()
def test_images_of_several_sessions_encode_as_each_alone() -> None:
    sizes = [(320, 240), (96, 80), (320, 240), (64, 400)]
    slices = [
        part
        for seed, size in enumerate(sizes)
        for part in slice_image(noise_image(seed, *size), model().config, 2).slices
    ]
    together = model().encode_images(slices)
    for part, encoded in zip(slices, together, strict=True):
        torch.testing.assert_close(encoded, model().encode_images([part])[0], atol=ATOL, rtol=0)


@torch.inference_mode()
def test_audio_of_several_sessions_encodes_as_each_alone() -> None:
    together, alone = model().allocate(3, 64), model().allocate(3, 64)
    for unit in range(2):
        clips = [
            AudioClip(row, noise_audio(10 * unit + row, seconds))
            for row, seconds in [(2, 1.0), (0, 0.4), (1, 1.0)]
        ]
        batch = model().encode_audio(clips, together)
        for clip, encoded in zip(clips, batch, strict=True):
            single = model().encode_audio([clip], alone)[0]
            torch.testing.assert_close(encoded, single, atol=ATOL, rtol=0)
    assert together.audio.lengths == alone.audio.lengths


@torch.inference_mode()
def test_prompts_of_several_sessions_prefill_and_decode_as_each_alone() -> None:
    prompts = [unit_prompt(), encode_prompt(["hello"], model().tokenizer, model().config)]
    slices = slice_image(noise_image(0, 320, 240), model().config, 1).slices
    images = model().encode_images(slices)
    audio = model().encode_audio([AudioClip(0, noise_audio(1))], model().allocate(1, 8))
    embedded = [model().embed(prompts[0], images, audio), model().embed(prompts[1])]
    together, alone = model().allocate(2, 256), model().allocate(2, 256)
    hidden = model().prefill([1, 0], embedded, together)
    for row, part, packed in zip([1, 0], embedded, hidden, strict=True):
        torch.testing.assert_close(
            packed, model().prefill([row], [part], alone)[0], atol=1e-4, rtol=0
        )
    logits, _ = model().decode_text([0, 1], [5, 6], together)
    for row, token in [(0, 5), (1, 6)]:
        single, _ = model().decode_text([row], [token], alone)
        torch.testing.assert_close(logits[row : row + 1], single, atol=1e-4, rtol=0)


@torch.inference_mode()
def test_features_take_the_places_of_their_placeholders_and_nothing_else() -> None:
    prompt = unit_prompt()
    width = model().config.language.hidden_size
    image, audio = torch.full((64, width), 2.0), [torch.full((10, width), 3.0)] * 2
    audio.append(torch.full((5, width), 4.0))
    embedded = model().embed(prompt, [image], audio)
    (image_start, image_stop), (audio_start, audio_stop) = prompt.image_spans + prompt.audio_spans
    assert (embedded[image_start:image_stop] == 2.0).all()
    assert (embedded[audio_start : audio_start + 20] == 3.0).all()
    assert (embedded[audio_stop - 5 : audio_stop] == 4.0).all()
    words = model().llm.embed(torch.tensor(prompt.ids))
    untouched = [
        i for i, token in enumerate(prompt.ids) if token != model().tokenizer.id_of("<unk>")
    ]
    assert torch.equal(embedded[untouched], words[untouched])


def test_features_that_do_not_fit_their_places_are_refused() -> None:
    width = model().config.language.hidden_size
    image = torch.zeros(64, width)
    with pytest.raises(ValueError, match="24 audio features for 25 placeholders"):
        model().embed(unit_prompt(), [image], [torch.zeros(24, width)])
    with pytest.raises(ValueError, match="shorter"):
        model().embed(unit_prompt(), [], [torch.zeros(25, width)])


def test_every_stage_follows_the_model_to_its_device() -> None:
    """The meta device computes no values, but refuses to mix with tensors of another device."""
    moved, _ = verify_checkpoint(GOLDEN)
    moved.requires_grad_(False).eval()
    moved.fuse()
    slices = slice_image(noise_image(0, 320, 240), moved.config, 1).slices
    with torch.inference_mode():
        state = moved.allocate(2, 256)
        clips = [AudioClip(0, noise_audio(0)), AudioClip(1, noise_audio(1, 0.5))]
        audio = moved.encode_audio(clips, state)
        embedded = moved.embed(unit_prompt(), moved.encode_images(slices), audio[:1])
        hidden = moved.prefill([0, 1], [embedded, embedded], state)
        logits, _ = moved.decode_text([0, 1], [5, 6], state)
        moved.llm.evict(state.language, 0, 2, 20)
        speaker = moved.tts.project_speaker(hidden[0][-1:])[0]
        for row in (0, 1):
            moved.tts.begin(state.speech, row)
        prefills = [TextPrefill(row, 0, range(12), speaker) for row in (0, 1)]
        moved.tts.prefill_text(prefills, state.speech)
        moved.tts.step([SpeechStep(row, None, 10) for row in (0, 1)], state.speech)
        codes = torch.tensor([1, 2, 3, 4])
        made = moved.tts.step([SpeechStep(row, codes, 10) for row in (0, 1)], state.speech)
        (wave,) = moved.vocode([codes.repeat(25, 1)])
    assert {tensor.device.type for tensor in (logits, made, wave)} == {"meta"}
    assert wave.shape == (512 * 25,)


@torch.inference_mode()
def test_windows_of_codes_of_any_lengths_vocode_as_each_alone() -> None:
    generator = torch.Generator().manual_seed(0)
    windows = [torch.randint(0, 625, (n, 4), generator=generator) for n in (25, 29, 7, 29)]
    for window, wave in zip(windows, model().vocode(windows), strict=True):
        assert wave.shape == (512 * len(window),)
        torch.testing.assert_close(wave, model().vocode([window])[0], atol=1e-5, rtol=0)
