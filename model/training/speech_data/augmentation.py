"""Makes clean synthetic speech sound like many people in many rooms; seeded, numpy only.

``augment`` draws one :class:`Recipe` and applies it. The length of the clip changes only through
the tempo, so phone and word times stay exact.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from model.training.speech_data.clips import Clip
from model.training.speech_data.voice_change import change_voice

MODEL_HZ = 16_000
MODEL_MELS = 80
SPEECH_RMS = 0.1
"""Loudness of a voice at 0 dB of gain (-20 dBFS)."""
_TILT_PIVOT_HZ = 1000.0
_SLOPE_HZ = 120.0
"""Width of the edges of a microphone's band."""


@dataclass(frozen=True, slots=True)
class AugmentationRanges:
    """From where to where each quality is drawn, evenly unless said otherwise."""

    speed: tuple[float, float] = (0.85, 1.2)
    """Tempo."""
    pitch: tuple[float, float] = (0.8, 1.3)
    """Height of the voice."""
    tract: tuple[float, float] = (0.8, 1.25)
    """Formant frequencies (vocal tract length)."""
    voice_share: float = 0.7
    """Share of clips whose voice is changed at all."""
    tilt_db_per_octave: tuple[float, float] = (-3.0, 3.0)
    """Slope of the spectrum around 1 kHz."""
    room_share: float = 0.5
    """Share of clips heard in a room."""
    reverberation_s: tuple[float, float] = (0.08, 0.5)
    """Time in which a room's sound falls by 60 dB."""
    direct_db: tuple[float, float] = (0.0, 15.0)
    """Direct sound over the room's."""
    noise_share: float = 0.6
    """Share of clips with noise."""
    noise_db: tuple[float, float] = (12.0, 40.0)
    """Speech over noise."""
    gain_db: tuple[float, float] = (-18.0, 8.0)
    """Loudness relative to -20 dBFS; what is too loud is clipped."""
    band_share: float = 0.5
    """Share of clips through a microphone of narrow band."""
    low_hz: tuple[float, float] = (30.0, 350.0)
    """Lower edge of that band."""
    high_hz: tuple[float, float] = (3200.0, 7800.0)
    """Upper edge of that band."""
    late_share: float = 0.2
    """Share of clips whose first milliseconds are missing."""
    late_s: tuple[float, float] = (0.0, 0.06)
    """How much of the first phone is missing in them."""


VARIED = AugmentationRanges()
"""Everything that people, rooms and microphones do."""
USUAL = AugmentationRanges(
    speed=(0.9, 1.12), pitch=(0.88, 1.15), tract=(0.85, 1.18), voice_share=0.5,
    tilt_db_per_octave=(-1.5, 1.5), room_share=0.25, reverberation_s=(0.08, 0.3),
    direct_db=(8.0, 18.0), noise_share=0.4, noise_db=(18.0, 40.0), gain_db=(-10.0, 4.0),
    band_share=0.2, low_hz=(30.0, 200.0), high_hz=(5000.0, 7800.0), late_share=0.1,
)  # fmt: skip
"""What most people, rooms and microphones do."""
CLEAN = AugmentationRanges(
    voice_share=0.0, tilt_db_per_octave=(0.0, 0.0), room_share=0.0, noise_share=0.0,
    gain_db=(0.0, 0.0), band_share=0.0, late_share=0.0,
)  # fmt: skip
"""Nothing but the loudness is set: the first steps of training, and evaluation of clean speech."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """What is done to one clip; None or a factor of 1 leaves a quality as it is."""

    speed: float = 1.0
    """Tempo."""
    pitch: float = 1.0
    """Height."""
    tract: float = 1.0
    """Formants."""
    tilt_db_per_octave: float = 0.0
    """Slope of the spectrum."""
    reverberation_s: float | None = None
    """Time for 60 dB; None: no room."""
    direct_db: float = 0.0
    """Direct sound over the room's."""
    noise_db: float | None = None
    """Speech over noise; None: no noise."""
    noise_exponent: float = 0.0
    """The noise's power falls with this power of the frequency: 0 white, 1 pink, 2 brown."""
    gain_db: float = 0.0
    """Loudness relative to -20 dBFS."""
    band_hz: tuple[float, float] | None = None
    """Edges of the microphone's band."""
    late_s: float = 0.0
    """What is missing of the first phone."""


def draw_recipe(ranges: AugmentationRanges, rng: np.random.Generator) -> Recipe:
    """Draw what to do to one clip. The number of draws never depends on what was drawn."""

    def between(low_high: tuple[float, float]) -> float:
        return float(rng.uniform(*low_high))

    def log_between(low_high: tuple[float, float]) -> float:
        return float(np.exp(rng.uniform(*np.log(low_high))))

    shares = rng.uniform(size=5)
    speed, pitch, tract = map(log_between, (ranges.speed, ranges.pitch, ranges.tract))
    tilt, gain = between(ranges.tilt_db_per_octave), between(ranges.gain_db)
    reverberation, direct = log_between(ranges.reverberation_s), between(ranges.direct_db)
    noise, exponent = between(ranges.noise_db), between((0.0, 2.0))
    band = log_between(ranges.low_hz), log_between(ranges.high_hz)
    late = between(ranges.late_s)
    changed = shares[0] < ranges.voice_share
    return Recipe(
        speed=speed if changed else 1.0,
        pitch=pitch if changed else 1.0,
        tract=tract if changed else 1.0,
        tilt_db_per_octave=tilt,
        reverberation_s=reverberation if shares[1] < ranges.room_share else None,
        direct_db=direct,
        noise_db=noise if shares[2] < ranges.noise_share else None,
        noise_exponent=exponent,
        gain_db=gain,
        band_hz=band if shares[3] < ranges.band_share else None,
        late_s=late if shares[4] < ranges.late_share else 0.0,
    )


def augment(clip: Clip, ranges: AugmentationRanges, rng: np.random.Generator) -> Clip:
    """A clip at 16 kHz as somebody else might have said it somewhere else."""
    return apply_recipe(clip.at_rate(MODEL_HZ), draw_recipe(ranges, rng), rng)


def apply_recipe(clip: Clip, recipe: Recipe, rng: np.random.Generator) -> Clip:
    """Do what the recipe says; ``rng`` makes the room and the noise."""
    rate_hz = clip.rate_hz
    changed = change_voice(
        clip.samples, rate_hz, speed=recipe.speed, pitch=recipe.pitch, tract=recipe.tract
    )
    clip = clip.with_samples(changed)
    if recipe.late_s:
        clip = begin_late(clip, recipe.late_s)
    samples = clip.samples
    if recipe.reverberation_s is not None:
        samples = add_room(samples, rate_hz, recipe.reverberation_s, recipe.direct_db, rng)
    samples = filter_spectrum(samples, rate_hz, recipe.tilt_db_per_octave, recipe.band_hz)
    samples = samples * (SPEECH_RMS / max(speech_rms(samples, rate_hz), 1e-6))
    if recipe.noise_db is not None:
        noise = coloured_noise(samples.size, recipe.noise_exponent, rng)
        samples = samples + noise * (SPEECH_RMS * 10.0 ** (-recipe.noise_db / 20.0))
    samples = np.clip(samples * 10.0 ** (recipe.gain_db / 20.0), -1.0, 1.0)
    return clip.with_samples(samples.astype(np.float32))


def begin_late(clip: Clip, late_s: float) -> Clip:
    """Lose the silence before the first phone and ``late_s`` of that phone (half of it at most)."""
    first = next((phone for phone in clip.phones if phone.symbol != "pau"), None)
    if first is None:
        return clip
    missing_s = min(late_s, (first.end_s - first.start_s) / 2.0)
    return clip.cut(first.start_s + missing_s, clip.duration_s)


def add_room(
    samples: np.ndarray,
    rate_hz: int,
    reverberation_s: float,
    direct_db: float,
    rng: np.random.Generator,
) -> np.ndarray:
    """Add early reflections and a decaying tail; the direct sound stays where it is.

    Args:
        samples: Float ``[n]``.
        rate_hz: Samples per second.
        reverberation_s: Time in which the tail falls by 60 dB.
        direct_db: Energy of the direct sound over everything after it.
        rng: Makes the room.

    Returns:
        Float32 ``[n]``; what sounds after the clip is cut.
    """
    n_tail = max(round(reverberation_s * rate_hz), 1)
    after_s = np.arange(n_tail) / rate_hz
    tail = rng.standard_normal(n_tail) * 10.0 ** (-3.0 * after_s / reverberation_s)
    tail[: round(0.002 * rate_hz)] = 0.0
    for _ in range(6):
        at = int(rng.uniform(0.002, 0.03) * rate_hz)
        if at < n_tail:
            tail[at] += rng.choice([-1.0, 1.0]) * rng.uniform(2.0, 6.0)
    tail *= 10.0 ** (-direct_db / 20.0) / max(float(np.sqrt(np.sum(tail**2))), 1e-9)
    tail[0] = 1.0
    size = 1 << (samples.size + n_tail - 1).bit_length()
    wet = np.fft.irfft(np.fft.rfft(samples, size) * np.fft.rfft(tail, size), size)
    return wet[: samples.size].astype(np.float32)


def filter_spectrum(
    samples: np.ndarray,
    rate_hz: int,
    tilt_db_per_octave: float,
    band_hz: tuple[float, float] | None,
) -> np.ndarray:
    """Tilt the spectrum around 1 kHz and limit it to a band; no delay."""
    if samples.size == 0 or (tilt_db_per_octave == 0.0 and band_hz is None):
        return samples
    size = fast_length(samples.size)
    frequencies = np.fft.rfftfreq(size, 1.0 / rate_hz)
    octaves = np.log2(np.clip(frequencies, 60.0, 7500.0) / _TILT_PIVOT_HZ)
    gain = 10.0 ** (tilt_db_per_octave * octaves / 20.0)
    if band_hz is not None:
        low, high = band_hz
        rise = 1.0 / (1.0 + np.exp(-np.clip((frequencies - low) / (low / 8.0), -40.0, 40.0)))
        fall = 1.0 / (1.0 + np.exp(np.clip((frequencies - high) / _SLOPE_HZ, -40.0, 40.0)))
        gain *= rise * fall
    filtered = np.fft.irfft(np.fft.rfft(samples, size) * gain, size)
    return filtered[: samples.size].astype(np.float32)


def coloured_noise(n_samples: int, exponent: float, rng: np.random.Generator) -> np.ndarray:
    """Noise ``[n]`` of unit power that falls with the frequency: 0 white, 1 pink, 2 brown."""
    if n_samples == 0:
        return np.zeros(0, dtype=np.float32)
    size = fast_length(n_samples)
    spectrum = np.fft.rfft(rng.standard_normal(size))
    bins = np.maximum(np.arange(spectrum.size), max(size // 400, 1))
    noise = np.fft.irfft(spectrum / bins ** (exponent / 2.0), size)[:n_samples]
    return (noise / max(float(np.sqrt(np.mean(noise**2))), 1e-12)).astype(np.float32)


def fast_length(n_samples: int) -> int:
    """The next length whose Fourier transform is fast: a few bits followed by zeros."""
    step = 1 << max(n_samples.bit_length() - 4, 0)
    return -(-n_samples // step) * step


def speech_rms(samples: np.ndarray, rate_hz: int) -> float:
    """Loudness of the parts that are not silent: 20 ms frames within 30 dB of the loudest."""
    frame = round(0.02 * rate_hz)
    if samples.size < frame:
        return float(np.sqrt(np.mean(samples**2))) if samples.size else 0.0
    frames = samples[: samples.size // frame * frame].reshape(-1, frame).astype(np.float64)
    power = np.mean(frames**2, axis=1)
    return float(np.sqrt(np.mean(power[power >= power.max() * 1e-3])))


def mel_warp_matrix(factor: float, rate_hz: int = MODEL_HZ, n_mels: int = MODEL_MELS) -> np.ndarray:
    """A matrix ``[n_mels, n_mels]`` that warps log-mels: formants are multiplied by ``factor``.

    The cheap form of a change of vocal tract, for features that are already made; rows sum to one,
    so that the loudness stays.
    """
    centres_hz = _hz_of_mel(np.linspace(0.0, _mel_of_hz(rate_hz / 2.0), n_mels + 2))[1:-1]
    source = np.interp(centres_hz / factor, centres_hz, np.arange(n_mels))
    low = np.floor(source).astype(int)
    high = np.minimum(low + 1, n_mels - 1)
    matrix = np.zeros((n_mels, n_mels), dtype=np.float32)
    rows = np.arange(n_mels)
    matrix[rows, low] += 1.0 - (source - low)
    matrix[rows, high] += source - low
    return matrix


_MEL_HZ = 200.0 / 3.0
_LOG_FROM_HZ = 1000.0
_LOG_STEP = np.log(6.4) / 27.0
"""Slaney's mel scale: even steps below 1 kHz, even ratios above, as in the model's front end."""


def _mel_of_hz(hz: float) -> float:
    if hz < _LOG_FROM_HZ:
        return hz / _MEL_HZ
    return _LOG_FROM_HZ / _MEL_HZ + float(np.log(hz / _LOG_FROM_HZ)) / _LOG_STEP


def _hz_of_mel(mel: np.ndarray) -> np.ndarray:
    knee = _LOG_FROM_HZ / _MEL_HZ
    return np.where(mel < knee, mel * _MEL_HZ, _LOG_FROM_HZ * np.exp((mel - knee) * _LOG_STEP))
