"""An independent recogniser listens to speech: how much of it can be understood?"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import jiwer
import numpy as np
import soxr
from pocketsphinx import Decoder

from model.training.domain.exchange import normal
from model.training.speech_data.clips import to_pcm

RECOGNISER_HZ = 16_000
LONGEST_HEARD_S = 12.0
"""What comes later is not listened to: no answer takes as long, and babble takes a recogniser many
times its own length."""
_SPOKEN_OUT = (
    (re.compile(r"\bcan't\b"), "can not"),
    (re.compile(r"\bwon't\b"), "will not"),
    (re.compile(r"n't\b"), " not"),
    (re.compile(r"'m\b"), " am"),
    (re.compile(r"'re\b"), " are"),
    (re.compile(r"\b(it|that|what|there|he|she)'s\b"), r"\1 is"),
    (re.compile(r"\bcannot\b"), "can not"),
    (re.compile(r"\bcolor"), "colour"),
    (re.compile(r"\bgray\b"), "grey"),
)
BOOTSTRAP_DRAWS = 1000


def words_of(text: str) -> str:
    """Words only, numbers spelled, contractions spoken out: what sounds alike is written alike."""
    text = normal(text)
    for pattern, spoken in _SPOKEN_OUT:
        text = pattern.sub(spoken, text)
    return text


class Recogniser:
    """pocketsphinx with the American English model it comes with; offline.

    Every utterance is heard as if it were the first: the same sound is always the same words.
    """

    def __init__(self) -> None:
        self._decoder = Decoder(samprate=RECOGNISER_HZ, cmn="batch", loglevel="FATAL")

    def hear(self, samples: np.ndarray, rate_hz: int) -> str:
        """The words of one utterance.

        Args:
            samples: Float ``[n]``.
            rate_hz: Samples per second.
        """
        if samples.size == 0:
            return ""
        samples = np.asarray(samples[: round(LONGEST_HEARD_S * rate_hz)], np.float32)
        heard = soxr.resample(samples, rate_hz, RECOGNISER_HZ)
        decoder = self._decoder
        decoder.start_utt()
        decoder.process_raw(to_pcm(heard).tobytes(), full_utt=True)
        decoder.end_utt()
        best = decoder.hyp()
        return words_of(best.hypstr) if best is not None else ""


@dataclass(frozen=True, slots=True)
class WordErrors:
    """How much of one text was misheard."""

    errors: int
    """Words inserted, deleted or replaced."""
    words: int
    """Words of the text."""


def word_errors(said: str, heard: str) -> WordErrors:
    """Compare what was heard with what was said; both as of :func:`words_of`, ``said`` not
    empty."""
    compared = jiwer.process_words(said, heard)
    errors = compared.insertions + compared.deletions + compared.substitutions
    return WordErrors(errors, len(said.split()))


def error_rate(errors: Sequence[WordErrors]) -> float:
    """Word error rate over all texts, in percent; one text at least."""
    return 100.0 * sum(e.errors for e in errors) / sum(e.words for e in errors)


def difference_interval(
    ours: Sequence[WordErrors], theirs: Sequence[WordErrors], seed: int = 0
) -> tuple[float, float]:
    """Where the difference of two error rates on the same texts lies with 95 % confidence.

    By the bootstrap over texts, in points.
    """
    counts = np.array(
        [(a.errors, b.errors, a.words) for a, b in zip(ours, theirs, strict=True)], np.float64
    )
    rng = np.random.default_rng(seed)
    drawn = counts[rng.integers(len(counts), size=(BOOTSTRAP_DRAWS, len(counts)))].sum(axis=1)
    low, high = np.quantile(100.0 * (drawn[:, 0] - drawn[:, 1]) / drawn[:, 2], (0.025, 0.975))
    return float(low), float(high)
