"""What PESQ hears of a difference, as a distance that has a gradient."""

from __future__ import annotations

import math
from importlib.util import find_spec

import numpy as np
import pytest
import soundfile
import soxr
import torch
from torch import Tensor

from model.config import SPEECH_SAMPLE_RATE_HZ
from model.training.disturbance import disturbance
from server.evaluation.resynthesis import quality_of
from tests.fakes.media_files import QUESTION

pytestmark = pytest.mark.unit
needs_pesq = pytest.mark.skipif(find_spec("pesq") is None, reason="pesq was not built here")


def speech() -> Tensor:
    samples, rate_hz = soundfile.read(QUESTION, dtype="float32")
    wave = soxr.resample(samples[: 3 * rate_hz], rate_hz, SPEECH_SAMPLE_RATE_HZ)
    return torch.from_numpy(wave)[None]


def noise(level: float, like: Tensor) -> Tensor:
    """White, of the same seed for every level."""
    drawn = np.random.default_rng(0).normal(0, level, tuple(like.shape))
    return torch.from_numpy(drawn.astype(np.float32))


def hum(phase: float, n_samples: int = 9600) -> Tensor:
    """Harmonics of a low voice; their phases alone tell one hum from another."""
    time_s = torch.arange(n_samples) / SPEECH_SAMPLE_RATE_HZ
    waves = [torch.sin(2 * math.pi * 90 * n * time_s + phase * n * n) for n in range(1, 7)]
    return 0.05 * torch.stack(waves).sum(0)[None]


def test_the_same_is_not_disturbed_and_more_noise_is_more() -> None:
    wave = speech()
    heard = [float(disturbance(wave + noise(level, wave), wave)) for level in (0, 1e-3, 1e-2, 0.1)]
    assert heard[0] < 1e-2
    assert heard == sorted(heard) and heard[1] > 5 * heard[0]


def test_it_does_not_depend_on_how_loud_both_are() -> None:
    wave = speech()
    other = wave + noise(1e-2, wave)
    assert float(disturbance(other, wave)) == pytest.approx(
        float(disturbance(0.1 * other, 0.1 * wave)), rel=1e-4
    )


def test_harmonics_that_beat_otherwise_are_heard() -> None:
    ours, theirs = hum(0.9), hum(0.0)
    powers = [wave.diff().square().mean() for wave in (ours, theirs)]
    assert float(powers[0] / powers[1]) == pytest.approx(1, abs=0.05)
    assert float(disturbance(ours, theirs)) > 0.3


def test_nobody_is_drawn_to_make_it_softer() -> None:
    wave = speech()
    made = (wave + noise(1e-2, wave)).requires_grad_(True)
    (gradient,) = torch.autograd.grad(disturbance(made, wave), made)
    along = torch.cosine_similarity(gradient, made.detach())
    assert abs(float(along)) < 0.02


@pytest.mark.parametrize("wave", [torch.zeros(2, 2304), noise(0.1, torch.zeros(2, 2304))])
def test_there_is_a_gradient_in_silence_and_where_nothing_differs(wave: Tensor) -> None:
    made = wave.clone().requires_grad_(True)
    (gradient,) = torch.autograd.grad(disturbance(made, wave), made)
    assert bool(gradient.isfinite().all())


@needs_pesq
@pytest.mark.parametrize("level", [1e-3, 3e-3, 1e-2])
def test_pesq_hears_about_as_much(level: float) -> None:
    wave = speech()
    other = wave + noise(level, wave)
    quality = quality_of(wave[0].numpy(), other[0].numpy())
    assert quality is not None
    # P.862.2 maps 4.5 minus the disturbance to what listeners say.
    theirs = 4.5 - (3.8224 - math.log(4 / (quality.pesq - 0.999) - 1)) / 1.3669
    assert float(disturbance(other, wave)) == pytest.approx(theirs, rel=0.15)
