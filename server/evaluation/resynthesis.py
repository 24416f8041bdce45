"""How much the vocoder, and codec and vocoder together, take away from speech they never heard."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import soxr
import torch
import torch.nn.functional as F
from pystoi import stoi
from torch import Tensor

from model.config import SPEECH_SAMPLE_RATE_HZ
from model.omni import OmniModel
from model.training.speech_features import log_mel

PESQ_HZ = 16_000
SAMPLES_PER_FRAME = 512
"""Of codes: the clip is filled up to whole frames."""


@dataclass(frozen=True, slots=True)
class Quality:
    """How like the original some speech is."""

    pesq: float
    """Wide-band PESQ, 1.0 (bad) to 4.64 (the same)."""
    stoi: float
    """Intelligibility, 0 to 1."""


def quality_of(original: np.ndarray, remade: np.ndarray) -> Quality | None:
    """Compare two clips of one length, float ``[n]`` at 24 kHz; None where PESQ hears
    no speech."""
    # Built from source: nobody needs it who only reads or tests this module.
    from pesq import NoUtterancesError, pesq

    pair = [
        soxr.resample(np.asarray(clip, np.float32), SPEECH_SAMPLE_RATE_HZ, PESQ_HZ)
        for clip in (original, remade)
    ]
    if not all(np.abs(clip).max() > 0.0 for clip in pair):
        return None
    try:
        score = float(pesq(PESQ_HZ, *pair, "wb"))
    except NoUtterancesError:
        return None
    return Quality(score, float(stoi(*pair, PESQ_HZ, extended=False)))


@dataclass(frozen=True, slots=True)
class Resynthesis:
    """One clip remade in two ways."""

    original: np.ndarray
    """Float32 ``[n]`` at 24 kHz, filled up to whole frames of codes."""
    by_vocoder: np.ndarray
    """From its spectrogram."""
    by_codec: np.ndarray
    """From its codes."""


@torch.inference_mode()
def resynthesise(model: OmniModel, samples: np.ndarray) -> Resynthesis:
    """Remake one clip.

    Args:
        model: Its vocoder and codec.
        samples: Float32 ``[n]`` at 24 kHz.
    """
    wave = F.pad(torch.from_numpy(samples), (0, -len(samples) % SAMPLES_PER_FRAME))
    codec, vocoder = model.tts.dvae, model.vocoder
    mel = log_mel(wave[None].to(codec.coef.device), vocoder)
    remade = vocoder(mel)
    decoded = vocoder(codec.decode(codec.encode(mel)).float())
    return Resynthesis(wave.numpy(), _samples(remade, len(wave)), _samples(decoded, len(wave)))


def mean_quality(qualities: Sequence[Quality]) -> Quality:
    """The mean over clips; one at least."""
    return Quality(
        float(np.mean([q.pesq for q in qualities])), float(np.mean([q.stoi for q in qualities]))
    )


def _samples(waves: Tensor, n_samples: int) -> np.ndarray:
    # An untrained vocoder may make values that no judge can take.
    wave = torch.nan_to_num(waves[0].float()).clamp(-1.0, 1.0)[:n_samples]
    samples: np.ndarray = F.pad(wave, (0, n_samples - len(wave))).cpu().numpy()
    return samples
