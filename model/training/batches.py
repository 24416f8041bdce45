"""What the stages of training read: plain numpy in dataclasses, one kind per stage.

Producers (synthesis, scenes, calls) make these and import nothing else of the training code; a
stage takes any iterable of its kind and does the rest (features, masks, padding, tensors).
Everything is cropped and mixed by the producer; lengths within a batch may differ wherever a field
is a tuple of arrays.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

IGNORED = -1
"""A target that takes no part in the loss."""

PromptMode = Literal["default", "omni", "audio_assistant", "audio_roleplay", "voice_cloning"]


@dataclass(frozen=True, slots=True)
class WaveBatch:
    """Speech to reproduce: codec and vocoder stages."""

    waves: np.ndarray
    """Float32 ``[B, n]`` at 24 kHz in -1 .. 1; n is a multiple of 512 (one frame of codes)."""


@dataclass(frozen=True, slots=True)
class SpokenText:
    """One utterance of a reply voice, as codes: speech decoder stage."""

    text: str
    """As the language model writes it; digits as words."""
    codes: np.ndarray
    """Int16 ``[T, 4]`` of the codec, 0 .. 624; 46.875 frames a second, without an end frame."""
    voice: int
    """Number of the reply voice, from 0."""
    char_ends_s: np.ndarray | None = None
    """Float32 ``[len(text)]``, never decreasing: when each character has been spoken. None where
    unknown; guided attention then skips the utterance."""


@dataclass(frozen=True, slots=True)
class SpokenTextBatch:
    """Utterances of any lengths."""

    utterances: tuple[SpokenText, ...]


@dataclass(frozen=True, slots=True)
class HeardClip:
    """One clip as it is heard, unit by unit: audio encoder stage."""

    units: tuple[np.ndarray, ...]
    """Float32 ``[n]`` at 16 kHz each, 16,000 samples but for the last; below 30 s in all."""
    phones: np.ndarray
    """Int16 ``[F]``: the phone in the middle of each encoder frame of 20 ms, ``IGNORED`` where
    unknown. F is the sum over the units of ceil(n / 320): every unit has frames of its own."""
    text: str = ""
    """The words that are heard; empty for a sound."""
    heard_s: np.ndarray | None = None
    """Float32 ``[len(text), 2]``: when each character begins and ends, from the start of the first
    unit; None where unknown: tokens are then not learnt from the clip."""


@dataclass(frozen=True, slots=True)
class HeardBatch:
    """Clips of any lengths."""

    clips: tuple[HeardClip, ...]


@dataclass(frozen=True, slots=True)
class PictureBatch:
    """Pictures and what is to be told from them: vision encoder stage."""

    images: np.ndarray
    """Uint8 ``[B, H, W, 3]``, RGB."""
    labels: dict[str, np.ndarray]
    """Per question (``"colour of the largest"``, ``"count"`` …) int64 ``[B]`` classes, ``IGNORED``
    where it does not apply. The questions and their numbers of classes are the same in every
    batch."""
    grids: dict[str, np.ndarray] = field(default_factory=dict)
    """Per question about every place (``"shape here"``) int ``[B, R, C]`` classes, of a grid of any
    fineness over the picture; ``IGNORED`` where it does not apply. The last class is nothing."""
    silhouettes: np.ndarray | None = None
    """Uint8 ``[B, H, W]``: 255 where there is a thing, 0 elsewhere."""


@dataclass(frozen=True, slots=True)
class SeenWord:
    """A word of an answer, or of a question, that a picture tells."""

    start: int
    """Its first character."""
    stop: int
    """Behind its last one."""
    vector: int
    """Number of the picture's vector that tells it."""
    pictures_ago: int = 0
    """Which of the call's pictures so far; 0 is the newest."""


@dataclass(frozen=True, slots=True)
class CallUnit:
    """One second of a call."""

    samples: np.ndarray | None = None
    """Float32 ``[n]`` at 16 kHz, n at most 16,000; None where there is no sound at all."""
    image: np.ndarray | None = None
    """Uint8 ``[H, W, 3]``, the newest frame."""
    image_vectors: np.ndarray | None = None
    """Float ``[Q, E]``: what a vision encoder that is not trained makes of the frame, instead."""
    audio_vectors: np.ndarray | None = None
    """Float ``[n, E]``: what an audio encoder and a projection that are not trained make of the
    sound, instead; of all units of a call or of none."""


@dataclass(frozen=True, slots=True)
class CallTurn:
    """What the user does, and the answer."""

    reply: str
    """The right answer."""
    units: tuple[CallUnit, ...] = ()
    """What was heard and seen since the answer before."""
    typed: str | None = None
    """Typed words, after the units."""
    spoken: str | None = None
    """The words that are heard in the units, where they are known and to be learnt from."""
    codes: np.ndarray | None = None
    """Int16 ``[T, 4]``: the reply in the call's voice; None leaves the speech loss out."""
    char_ends_s: np.ndarray | None = None
    """As :attr:`SpokenText.char_ends_s`, of the reply."""
    trained: bool = True
    """False where the answer is context only: no loss."""
    voice: int = IGNORED
    """Number of the voice of this answer; ``IGNORED``: the call's."""
    heard_s: np.ndarray | None = None
    """Float32 ``[len(spoken), 2]``: when each character of ``spoken`` begins and ends, from the
    start of the first unit with sound; all later ones then have sound. None where unknown."""
    seen: tuple[SeenWord, ...] = ()
    """Words of the reply, in order, that a picture of the call tells."""
    asked_about: tuple[SeenWord, ...] = ()
    """Words of what is typed, in order, that are of things in a picture."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call from its system prompt to its last answer: joint stage."""

    turns: tuple[CallTurn, ...]
    mode: PromptMode = "omni"
    voice: int = IGNORED
    """Number of the reply voice, as in :class:`SpokenText`; ``IGNORED``: no loss of the voice."""
    voice_samples: np.ndarray | None = None
    """Reference audio of the system prompt, float32 ``[n]`` at 16 kHz, 3 to 5 s."""
    instructions: str | None = None
    """Replaces the mode's task sentence."""
    foresees_typed: bool = True
    """Whether what is typed is to be foreseen, word by word: False where nothing foretells it."""


@dataclass(frozen=True, slots=True)
class CallBatch:
    """Calls of any lengths."""

    calls: tuple[Call, ...]


@dataclass(frozen=True, slots=True)
class TrainingData:
    """What a producer hands to a stage: ``producer(seed) -> TrainingData``."""

    source: Callable[[int], Iterable[Any]]
    """``source(step)``: endless batches of the stage's kind from that step on, the same for the
    same step and seed, always; a stopped run is continued with ``source(its step)``."""
    n_voices: int = 0
    """Reply voices: speech decoder stage."""
    n_phones: int = 0
    """Phone classes: audio encoder stage."""
    n_classes: Mapping[str, int] = field(default_factory=dict)
    """Classes of each question: vision encoder stage."""
    n_grid_classes: Mapping[str, int] = field(default_factory=dict)
    """Classes of each question about every place: vision encoder stage."""
