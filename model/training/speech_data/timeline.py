"""Puts utterances and sounds on the time line of a turn and makes the units the model hears."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from model.training.batches import HeardClip
from model.training.speech_data.augmentation import coloured_noise
from model.training.speech_data.clips import Clip, Phone, Word, from_pcm, to_pcm
from model.training.speech_data.phones import frame_targets
from model.training.speech_data.sounds import Sound, make_sound
from model.training.speech_data.units import HeardUnit, Image, Shown, cut_units

MODEL_HZ = 16_000
LEAD_S = (0.05, 1.05)
"""A turn's speech begins anywhere in a unit: over a whole second, borders fall on every phone."""
DETECTED_TAIL_S = (0.45, 0.75)
"""Silence the server's turn detector hears before it ends a turn."""
COMMITTED_TAIL_S = (0.0, 0.3)
"""Silence after speech where the client ends the turn."""
DETECTED_SHARE = 0.7


@dataclass(frozen=True, slots=True)
class Placement:
    """A clip and when it begins."""

    at_s: float
    """From the start of the turn."""
    clip: Clip
    """Speech or a sound."""


@dataclass(frozen=True, slots=True)
class Timeline:
    """The sound of one turn."""

    samples: np.ndarray
    """Float32 ``[n]`` at 16 kHz, of values that 16-bit audio has."""
    phones: tuple[Phone, ...]
    """All phones, from the start of the turn; silence between utterances has none."""
    words: tuple[tuple[Word, ...], ...]
    """Per placement its words, from the start of the turn."""

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return self.samples.size / MODEL_HZ

    def units(self, shown: Sequence[Shown[Image]] = ()) -> list[HeardUnit[Image]]:
        """The units of the turn, with the newest picture of each."""
        return cut_units(self.samples, shown)

    def heard(self, text: str = "") -> HeardClip:
        """The turn with the phone of every encoder frame, for the stage of the audio encoder.

        Args:
            text: Of the only utterance; empty where there is none.
        """
        units = tuple(unit.samples for unit in self.units())
        phones = frame_targets(self.phones, [unit.size for unit in units])
        return HeardClip(units, phones, text, self.char_times_s(text) if text else None)

    def char_times_s(self, text: str) -> np.ndarray:
        """When each character of the only utterance begins and ends, ``[len(text), 2]``."""
        times = np.zeros((len(text), 2), dtype=np.float32)
        for words in self.words:
            for word in words:
                edges = np.linspace(word.start_s, word.end_s, word.end_char - word.first_char + 1)
                times[word.first_char : word.end_char, 0] = edges[:-1]
                times[word.first_char : word.end_char, 1] = edges[1:]
        # Spaces belong to the word before them.
        return np.maximum.accumulate(times, axis=0)


def place(
    placements: Sequence[Placement], duration_s: float, background: np.ndarray | None = None
) -> Timeline:
    """Mix clips on a time line of ``duration_s``; what sounds beyond it is cut.

    Args:
        placements: Clips of any rate; where two overlap, both sound and the later one's phones win.
        duration_s: Length of the turn.
        background: Float ``[n]`` of any length from ``duration_s`` upwards, under everything.

    Raises:
        ValueError: A clip begins before the turn, or the background is too short.
    """
    n_samples = round(duration_s * MODEL_HZ)
    mix = np.zeros(n_samples, dtype=np.float32)
    if background is not None:
        if background.size < n_samples:
            raise ValueError(f"{background.size} samples of background for {n_samples}")
        mix += background[:n_samples]
    phones: list[Phone] = []
    words: list[tuple[Word, ...]] = []
    for placement in placements:
        if placement.at_s < 0:
            raise ValueError(f"a clip begins {-placement.at_s} s before the turn")
        clip = placement.clip.at_rate(MODEL_HZ)
        start = round(placement.at_s * MODEL_HZ)
        piece = clip.samples[: max(n_samples - start, 0)]
        mix[start : start + piece.size] += piece
        shift_s = start / MODEL_HZ
        phones += [_later(phone, shift_s) for phone in clip.phones]
        words.append(tuple(_later(word, shift_s) for word in clip.words))
    return Timeline(from_pcm(to_pcm(mix)), tuple(phones), tuple(words))


def _later(item: Phone | Word, shift_s: float) -> Phone | Word:
    return replace(item, start_s=item.start_s + shift_s, end_s=item.end_s + shift_s)


def in_turn(
    clips: Sequence[Clip],
    rng: np.random.Generator,
    gaps_s: tuple[float, float] = (0.2, 0.6),
    noise_db: float | None = None,
    noise_exponent: float = 1.0,
) -> Timeline:
    """One turn of a speaker: clips one after the other, silence before, between and after.

    Args:
        clips: Utterances and sounds in their order; silence at their edges is dropped.
        rng: Draws the silences.
        gaps_s: Silence between two clips, from where to where.
        noise_db: Loudness of the noise over the whole turn, in dB of full scale; None is none.
        noise_exponent: How that noise falls with the frequency: 0 white, 1 pink, 2 brown.
    """
    at_s = float(rng.uniform(*LEAD_S))
    placements: list[Placement] = []
    for clip in clips:
        clip = clip.without_edges()
        placements.append(Placement(at_s, clip))
        at_s += clip.duration_s + float(rng.uniform(*gaps_s))
    end_s = placements[-1].at_s + placements[-1].clip.duration_s if placements else at_s
    tail = DETECTED_TAIL_S if rng.uniform() < DETECTED_SHARE else COMMITTED_TAIL_S
    duration_s = end_s + float(rng.uniform(*tail))
    background = None
    if noise_db is not None:
        hiss = coloured_noise(round(duration_s * MODEL_HZ), noise_exponent, rng)
        background = hiss * 10.0 ** (noise_db / 20.0)
    return place(placements, duration_s, background)


def sound_clip(kind: Sound, duration_s: float, rng: np.random.Generator) -> Clip:
    """A sound as a clip without phones and words."""
    return Clip("", make_sound(kind, duration_s, rng, MODEL_HZ), MODEL_HZ, (), ())
