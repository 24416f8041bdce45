"""The vocoder and its inverse spectrum."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from model.config import CodecConfig, SpeechConfig, VocoderConfig
from model.speech.codec import Codec
from model.speech.vocoder import (
    HOP_SAMPLES,
    N_BINS,
    N_FFT,
    N_MELS,
    InverseSpectrum,
    Vocoder,
    overlap_add,
    vocode,
)

pytestmark = pytest.mark.unit

SAMPLES_PER_CODE = 2 * HOP_SAMPLES


@pytest.fixture(scope="module")
def vocoder() -> Vocoder:
    torch.manual_seed(0)
    return Vocoder(VocoderConfig(dim=16, intermediate_dim=24, num_layers=2)).eval()


@pytest.fixture(scope="module")
def codec() -> Codec:
    torch.manual_seed(1)
    return Codec(SpeechConfig(codec=CodecConfig(dim=16, hidden=12, n_layer=2, bn_dim=8))).eval()


def test_overlap_add_equals_adding_frame_by_frame() -> None:
    torch.manual_seed(2)
    frames = torch.randn(2, 7, N_FFT)
    expected = torch.zeros(2, 6 * HOP_SAMPLES + N_FFT)
    for index in range(7):
        expected[:, index * HOP_SAMPLES : index * HOP_SAMPLES + N_FFT] += frames[:, index]
    torch.testing.assert_close(overlap_add(frames), expected)


def test_the_inverse_of_a_spectrum_is_the_wave_it_was_made_of() -> None:
    torch.manual_seed(3)
    inverse = InverseSpectrum()
    wave = torch.randn(1, 20 * HOP_SAMPLES)
    edge = (N_FFT - HOP_SAMPLES) // 2
    padded = torch.nn.functional.pad(wave, (edge, edge))
    frames = padded.unfold(1, N_FFT, HOP_SAMPLES) * inverse.window
    rebuilt = inverse(torch.fft.rfft(frames))
    torch.testing.assert_close(rebuilt, wave, atol=1e-5, rtol=0)


@settings(deadline=None, max_examples=15)
@given(n_frames=st.integers(1, 60), batch=st.integers(1, 3))
def test_a_mel_frame_is_256_samples_and_rows_do_not_mix(
    vocoder: Vocoder, n_frames: int, batch: int
) -> None:
    torch.manual_seed(n_frames)
    mel = torch.randn(batch, N_MELS, n_frames)
    with torch.inference_mode():
        waves = vocoder(mel)
        alone = torch.cat([vocoder(mel[row : row + 1]) for row in range(batch)])
    assert waves.shape == (batch, 256 * n_frames)
    torch.testing.assert_close(waves, alone, atol=1e-5, rtol=0)


def test_loud_bins_are_clipped(vocoder: Vocoder) -> None:
    torch.manual_seed(4)
    with torch.inference_mode():
        loud = vocoder(torch.randn(1, N_MELS, 8) * 1e4)
    assert loud.isfinite().all()
    assert loud.abs().max() <= 100 * N_BINS


def test_it_computes_in_float32_whatever_it_is_given(vocoder: Vocoder) -> None:
    torch.manual_seed(5)
    mel = torch.randn(1, N_MELS, 6).to(torch.bfloat16)
    with torch.inference_mode():
        assert vocoder(mel).dtype == torch.float32
        assert torch.equal(vocoder(mel), vocoder(mel.float()))


def test_it_has_the_names_of_the_published_file(vocoder: Vocoder) -> None:
    names = vocoder.state_dict().keys()
    assert {name for name in names if not name.startswith("backbone.")} == {
        "feature_extractor.mel_spec.spectrogram.window",
        "feature_extractor.mel_spec.mel_scale.fb",
        "head.out.weight",
        "head.out.bias",
        "head.istft.window",
    }


@settings(deadline=None, max_examples=10)
@given(lengths=st.lists(st.sampled_from([1, 3, 7, 25, 29]), min_size=1, max_size=6))
def test_windows_of_any_lengths_equal_windows_alone(
    vocoder: Vocoder, codec: Codec, lengths: list[int]
) -> None:
    torch.manual_seed(len(lengths))
    windows = [torch.randint(0, 625, (length, 4)) for length in lengths]
    with torch.inference_mode():
        waves = vocode(windows, codec, vocoder)
        alone = [vocoder(codec.decode(window[None]))[0] for window in windows]
    assert [len(wave) for wave in waves] == [SAMPLES_PER_CODE * length for length in lengths]
    for wave, expected in zip(waves, alone, strict=True):
        torch.testing.assert_close(wave, expected, atol=1e-5, rtol=0)
