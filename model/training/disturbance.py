"""How different two waves sound, after ITU-T P.862.2 (PESQ, wide-band): a distance to train on.

Speech is heard as the loudness of 48 bands, of which the lowest are single bins of 31.25 Hz, in
windows of 32 ms: so short that the harmonics of a low voice beat against each other, which spectra
with longer windows do not show.

Differs from P.862.2: nothing is aligned in time; no steady difference of a band is forgiven (where
it was, a vocoder learnt to make low bands 19 dB too soft); and all frames count alike, where it is
the worst of every third of a second that count most.
"""

from __future__ import annotations

import math
from functools import cache
from itertools import pairwise

import torch
from torch import Tensor

from model.config import SPEECH_SAMPLE_RATE_HZ

WINDOW, HOP = 768, 384
"""Samples at 24 kHz: 32 and 16 ms, as the recommendation's 512 and 256 at 16 kHz."""
PCM = 32_768.0 * 512 / WINDOW
"""The recommendation's numbers are those of 16-bit samples and of its window."""
SPEECH_POWER = 1e7
"""Power of 16-bit samples in ``SPEECH_HZ`` that both waves are brought to, by the wanted one's."""
SPEECH_HZ = (325.0, 3250.0)
MAX_GAIN = 100.0
"""A pause is not made as loud as speech."""
HEARD_AT_HZ = 16_000
EAR_ZEROS, EAR_POLES = (2.740826, -5.4816519, 2.740826), (1.0, -1.9444777, 0.94597794)
"""The high-pass in front of the ear, as a filter at ``HEARD_AT_HZ``; it amplifies by 9 dB."""
BIN_HZ = SPEECH_SAMPLE_RATE_HZ / WINDOW
BINS = (
    *(1, 1, 1, 1, 1, 1, 1, 1, 2, 1, 1, 1, 1, 1, 2, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2),
    *(3, 3, 3, 3, 4, 3, 4, 5, 4, 5, 6, 6, 7, 8, 9, 9, 12, 12, 15, 16, 18, 21, 25, 20),
)
"""Bins of each band, from 0 Hz."""
POWER_SCALE = 6.910853e-6
BAND_WEIGHTS = (
    *(100.0,) * 8,
    *(50.0, 100.0, 100.0, 100.0, 100.0, 100.0, 53.05, 110.0, 118.0, 65.0, 68.76, 70.0, 71.43, 75.0),
    *(76.84, 80.97, 88.65, 63.86, 68.16, 72.55, 75.58, 58.38, 80.95, 64.14, 54.38, 73.82, 64.44),
    *(59.18, 65.52, 61.4, 58.14, 57.0, 64.13, 54.31, 61.11, 55.08, 56.85, 55.63, 53.14, 54.99),
    79.55,
)
THRESHOLDS = (
    *(51286152.0, 2454709.5, 70794.59, 4897.79, 1174.90, 389.05, 104.71, 45.71, 17.78, 9.77, 4.90),
    *(3.09, 1.905, 1.259, 0.977, 0.724, 0.562, 0.457, 0.389, 0.331, 0.295, 0.269, 0.257, 0.251),
    *(0.251, 0.251, 0.251, 0.263, 0.288, 0.309, 0.339, 0.372, 0.398, 0.437, 0.468, 0.490, 0.501),
    *(0.501, 0.513, 0.525, 0.525, 0.525, 0.513, 0.479, 0.427, 0.372, 0.363, 0.417, 0.537),
)
"""Power of a band that is just heard."""
LOUDNESS_SCALE = 0.1866055
ZWICKER_POWER = 0.23
DEAD_ZONE = 0.25
"""Share of the softer loudness that a difference may have unheard."""
MAX_DISTURBANCE = 45.0
"""Of one frame."""


def disturbance(made: Tensor, wanted: Tensor) -> Tensor:
    """The disturbance of ``made``, its mean over the waves: what P.862 takes off 4.5, more or less.

    Args:
        made: Waves ``[B, n]`` at 24 kHz in -1 .. 1; n is 768 at least.
        wanted: What they are to sound like, ``[B, n]``.

    Returns:
        A scalar, 0 for equal waves.
    """
    tables = _tables(made.device)
    gain = _level(wanted)
    ours, theirs = (_band_powers(wave * gain, tables) for wave in (made, wanted))
    audible = [_audible(power, tables).sum(-1, keepdim=True) for power in (ours, theirs)]
    compensation = ((audible[1] + 5e3) / (audible[0] + 5e3)).clamp(3e-4, 5.0)
    ours = ours * compensation
    loud = [_loudness(power, tables) for power in (ours, theirs)]
    difference = loud[0] - loud[1]
    deadzone = DEAD_ZONE * torch.minimum(loud[0], loud[1])
    heard = difference.sign() * (difference.abs() - deadzone).clamp(min=0)
    added = ((ours + 50) / (theirs + 50)) ** 1.2
    added = torch.where(added < 3, 0.0, added.clamp(max=12.0))
    weight = ((audible[1].squeeze(-1) + 1e5) / SPEECH_POWER) ** 0.04
    symmetric = (_norm(heard, 2, tables) / weight).clamp(max=MAX_DISTURBANCE)
    asymmetric = (_norm(heard * added, 1, tables) / weight).clamp(max=MAX_DISTURBANCE)
    by_wave = 0.1 * _over_time(symmetric) + 0.0309 * _over_time(asymmetric)
    return by_wave.mean()


class _Tables:
    """Per band, without the first, which no ear hears at any level."""

    def __init__(self, device: torch.device) -> None:
        bands = torch.zeros(WINDOW // 2 + 1, len(BINS))
        edges = [0, *torch.tensor(BINS).cumsum(0).tolist()]
        for band, (low, high) in enumerate(pairwise(edges)):
            bands[low:high, band] = POWER_SCALE * BAND_WEIGHTS[band]
        bands *= _ear_response(len(bands))[:, None]
        bark = [6 * math.asinh(edge * BIN_HZ / 600) for edge in edges]
        centres = [(low + high) / 2 for low, high in pairwise(bark)]
        powers = [
            ZWICKER_POWER * (min(2.0, 6 / (centre + 2)) ** 0.15 if centre < 4 else 1.0)
            for centre in centres
        ]
        self.bands = bands[:, 1:].to(device)
        self.thresholds = torch.tensor(THRESHOLDS[1:], device=device)
        self.powers = torch.tensor(powers[1:], device=device)
        self.widths = torch.tensor(bark, device=device).diff()[1:]
        self.window = torch.hann_window(WINDOW, device=device)


@cache
def _tables(device: torch.device) -> _Tables:
    return _Tables(device)


def _ear_response(n_bins: int) -> Tensor:
    """What the high-pass makes of the power of each bin, ``[n_bins]``."""
    angles = torch.arange(n_bins) * (2 * math.pi * BIN_HZ / HEARD_AT_HZ)
    delays = torch.polar(torch.ones(n_bins, 3), -angles[:, None] * torch.arange(3))
    zeros = delays @ torch.tensor(EAR_ZEROS).to(delays)
    poles = delays @ torch.tensor(EAR_POLES).to(delays)
    return (zeros / poles).abs().square()


def _level(waves: Tensor) -> Tensor:
    """What brings each wave to ``SPEECH_POWER``, ``[B, 1]``."""
    n_samples = waves.shape[-1]
    hz = torch.fft.rfftfreq(n_samples, 1 / SPEECH_SAMPLE_RATE_HZ, device=waves.device)
    spectrum = torch.fft.rfft(waves * 32_768.0) / n_samples
    within = (hz >= SPEECH_HZ[0]) & (hz <= SPEECH_HZ[1])
    power = 2 * spectrum[:, within].abs().square().sum(-1, keepdim=True)
    gain: Tensor = (power.clamp(min=1e-3) / SPEECH_POWER).rsqrt().clamp(max=MAX_GAIN)
    return gain


def _band_powers(waves: Tensor, tables: _Tables) -> Tensor:
    """Power of each band, ``[B, frames, 48]``."""
    spectrum = torch.fft.rfft(waves.unfold(1, WINDOW, HOP) * (tables.window * PCM))
    return torch.view_as_real(spectrum).square().sum(-1) @ tables.bands


def _audible(power: Tensor, tables: _Tables) -> Tensor:
    return torch.where(power > tables.thresholds, power, 0.0)


def _loudness(power: Tensor, tables: _Tables) -> Tensor:
    """Zwicker's law, in sone."""
    quiet = LOUDNESS_SCALE * (tables.thresholds / 0.5) ** tables.powers
    above = (0.5 + 0.5 * power / tables.thresholds) ** tables.powers - 1
    return (quiet * above).clamp(min=0)


def _norm(heard: Tensor, order: int, tables: _Tables) -> Tensor:
    """One number for the bands of each frame, by their widths, ``[B, frames]``."""
    total = tables.widths.sum()
    powers = (heard.abs() * tables.widths) ** order
    return (powers.sum(-1) / total + 1e-12) ** (1 / order) * total


def _over_time(frames: Tensor) -> Tensor:
    """The root of the mean square of each wave's frames, ``[B]``."""
    return (frames.square().mean(-1) + 1e-12).sqrt()
