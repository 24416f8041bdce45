"""The phones that all synthesizers share, and the targets made from them for every frame.

flite and festival speak ARPABET of the US phone set, espeak-ng the phonetic alphabet; both are
reduced to the 39 phones of English and silence. Accents differ in which phones they use, not in the
inventory.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from model.training.batches import IGNORED
from model.training.speech_data.clips import Phone

SILENCE = "pau"
UNKNOWN = "?"
"""A sound outside the inventory; its frames take no part in a loss."""

# fmt: off
PHONES: tuple[str, ...] = (
    SILENCE,
    "aa", "ae", "ah", "ao", "aw", "ay", "b", "ch", "d", "dh", "eh", "er", "ey", "f", "g", "hh",
    "ih", "iy", "jh", "k", "l", "m", "n", "ng", "ow", "oy", "p", "r", "s", "sh", "t", "th", "uh",
    "uw", "v", "w", "y", "z", "zh",
)
# fmt: on
"""Class names; the class of a phone is its index here, silence is 0."""
PHONE_INDEX = {phone: index for index, phone in enumerate(PHONES)}

SAMPLE_RATE_HZ = 16_000
FRAME_SAMPLES_50_HZ = 320
"""Samples per encoder frame."""
FRAME_SAMPLES_25_HZ = 640
"""Samples per audio token, after pooling."""

_ARPABET_MERGED = {
    "ax": "ah", "axr": "er", "ix": "ih", "dx": "t", "nx": "n", "hv": "hh", "el": "l", "em": "m",
    "en": "n", "ux": "uw", "#": SILENCE, "h#": SILENCE, "brth": SILENCE, "sil": SILENCE,
    "ssil": SILENCE,
}  # fmt: skip

_IPA = {
    "tʃ": ["ch"], "dʒ": ["jh"], "aɪə": ["ay", "ah"], "aɪɚ": ["ay", "er"], "aʊə": ["aw", "ah"],
    "aɪ": ["ay"], "aʊ": ["aw"], "eɪ": ["ey"], "oʊ": ["ow"], "əʊ": ["ow"], "ɔɪ": ["oy"],
    "oɪ": ["oy"], "ɪə": ["ih", "ah"], "iə": ["iy", "ah"], "eə": ["eh", "ah"],
    "ɛə": ["eh", "ah"], "ʊə": ["uh", "ah"], "ɑɪ": ["ay"], "ʌɪ": ["ay"], "ʌʊ": ["aw"],
    "ɒɪ": ["oy"], "æʊ": ["aw"], "ei": ["ey"], "ou": ["ow"],
    "əɪ": ["ay"], "əu": ["ow"], "ʌʉ": ["aw"], "oə": ["ao"], "oɹ": ["ao", "r"],
    "ɑ": ["aa"], "ɒ": ["aa"], "a": ["ae"], "æ": ["ae"], "ɐ": ["ah"], "ʌ": ["ah"], "ə": ["ah"],
    "ɔ": ["ao"], "o": ["ow"], "ɛ": ["eh"], "e": ["eh"], "ɜ": ["er"], "ɚ": ["er"], "ɝ": ["er"],
    "ɪ": ["ih"], "ᵻ": ["ih"], "ɨ": ["ih"], "i": ["iy"], "ʊ": ["uh"], "ɵ": ["uh"], "u": ["uw"],
    "ʉ": ["uw"], "y": ["uw"],
    "b": ["b"], "d": ["d"], "ð": ["dh"], "f": ["f"], "ɡ": ["g"], "g": ["g"], "h": ["hh"],
    "ɦ": ["hh"], "ç": ["hh"], "j": ["y"], "k": ["k"], "x": ["k"], "l": ["l"], "ɫ": ["l"],
    "ɬ": ["l"], "m": ["m"], "n": ["n"], "ŋ": ["ng"], "p": ["p"], "ɹ": ["r"], "r": ["r"],
    "ɻ": ["r"], "ʁ": ["r"], "s": ["s"], "ʃ": ["sh"], "t": ["t"], "ɾ": ["t"], "ʔ": ["t"],
    "θ": ["th"], "v": ["v"], "w": ["w"], "ʍ": ["w"], "z": ["z"], "ʒ": ["zh"],
}  # fmt: skip
_IPA_MARKS = dict.fromkeys(map(ord, "ˈˌːˑ:ʰʲʷ;-_|\u0303\u030d\u031a\u0329\u032a\u032f\u0361"))
"""Stress, length, ties, syllabicity and secondary articulation."""
_LONGEST_IPA = max(map(len, _IPA))


def phone_of_arpabet(symbol: str) -> str:
    """The phone of :data:`PHONES` for a symbol of flite or festival, or ``UNKNOWN``."""
    symbol = symbol.lower().rstrip("012")
    symbol = _ARPABET_MERGED.get(symbol, symbol)
    return symbol if symbol in PHONE_INDEX else UNKNOWN


def phones_of_ipa(text: str) -> list[str]:
    """The phones of :data:`PHONES` in a piece of phonetic alphabet; ``[]`` where it has none."""
    text = text.translate(_IPA_MARKS).strip()
    phones: list[str] = []
    while text:
        for length in range(min(_LONGEST_IPA, len(text)), 0, -1):
            if text[:length] in _IPA:
                phones += _IPA[text[:length]]
                text = text[length:]
                break
        else:
            phones.append(UNKNOWN)
            text = text[1:]
    return phones


def frame_targets(
    phones: Iterable[Phone],
    unit_samples: Sequence[int],
    frame_samples: int = FRAME_SAMPLES_50_HZ,
) -> np.ndarray:
    """The phone in the middle of every frame of a clip that was cut into units.

    Args:
        phones: Times from the first sample of the first unit; where there is none it is silent.
        unit_samples: Length of each unit at 16 kHz; every unit has frames of its own.
        frame_samples: Samples per frame; the last frame of a unit may be partly beyond it.

    Returns:
        Int16 ``[F]`` indices into :data:`PHONES`, ``IGNORED`` for unknown sounds; F is the sum of
        ``ceil(n / frame_samples)``.
    """
    middles: list[np.ndarray] = []
    start = 0
    for n_samples in unit_samples:
        n_frames = -(-n_samples // frame_samples)
        middles.append(start + (np.arange(n_frames) + 0.5) * frame_samples)
        start += n_samples
    at_s = np.concatenate(middles) / SAMPLE_RATE_HZ if middles else np.zeros(0)
    targets = np.zeros(at_s.size, dtype=np.int16)
    for phone in phones:
        spoken = (at_s >= phone.start_s) & (at_s < phone.end_s)
        targets[spoken] = PHONE_INDEX.get(phone.symbol, IGNORED)
    return targets
