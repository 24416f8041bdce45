"""A piece of synthetic speech and when each of its phones and words is spoken."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from model.training.speech_data.resampling import resample


@dataclass(frozen=True, slots=True)
class Phone:
    """One phone of :data:`model.training.speech_data.phones.PHONES`."""

    symbol: str
    """Its name; ``pau`` is silence."""
    start_s: float
    """When it begins, from the start of the clip."""
    end_s: float
    """When it ends."""


@dataclass(frozen=True, slots=True)
class Word:
    """One word as it is written in the text."""

    first_char: int
    """Index of its first character in the text."""
    end_char: int
    """One past its last character."""
    start_s: float
    """When it begins, from the start of the clip."""
    end_s: float
    """When it ends."""


@dataclass(frozen=True, slots=True)
class Clip:
    """What a synthesizer said."""

    text: str
    """What was to be said."""
    samples: np.ndarray
    """Float32 ``[n]`` in -1 .. 1."""
    rate_hz: int
    """Samples per second."""
    phones: tuple[Phone, ...]
    """In order, without gaps."""
    words: tuple[Word, ...]
    """In order; words that the synthesizer read together are one."""

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return self.samples.size / self.rate_hz

    def at_rate(self, rate_hz: int) -> Clip:
        """The same speech at another sampling rate."""
        if rate_hz == self.rate_hz:
            return self
        return replace(self, samples=resample(self.samples, self.rate_hz, rate_hz), rate_hz=rate_hz)

    def with_samples(self, samples: np.ndarray) -> Clip:
        """The clip after a change of its sound; all times scale with the new length."""
        factor = samples.size / max(self.samples.size, 1)
        phones = (
            replace(p, start_s=p.start_s * factor, end_s=p.end_s * factor) for p in self.phones
        )
        words = (replace(w, start_s=w.start_s * factor, end_s=w.end_s * factor) for w in self.words)
        return replace(self, samples=samples, phones=tuple(phones), words=tuple(words))

    def without_edges(self, keep_s: float = 0.05) -> Clip:
        """The clip with at most ``keep_s`` of silence before its first and after its last phone."""
        spoken = [phone for phone in self.phones if phone.symbol != "pau"]
        if not spoken:
            return self
        start_s = max(spoken[0].start_s - keep_s, 0.0)
        end_s = min(spoken[-1].end_s + keep_s, self.duration_s)
        return self.cut(start_s, end_s)

    def cut(self, start_s: float, end_s: float) -> Clip:
        """The piece from ``start_s`` to ``end_s``; phones and words outside it are gone."""
        start, end = round(start_s * self.rate_hz), round(end_s * self.rate_hz)
        samples = self.samples[start:end]
        length_s = samples.size / self.rate_hz

        def inside(item: Phone | Word) -> Phone | Word:
            return replace(
                item,
                start_s=min(max(item.start_s - start_s, 0.0), length_s),
                end_s=min(max(item.end_s - start_s, 0.0), length_s),
            )

        phones = tuple(p for p in map(inside, self.phones) if p.end_s > p.start_s)
        words = tuple(w for w in map(inside, self.words) if w.end_s > w.start_s)
        return replace(self, samples=samples, phones=phones, words=words)

    def char_ends_s(self) -> np.ndarray:
        """When each character of the text has been spoken: float32 ``[len(text)]``, never falling.

        Within a word time runs evenly over its characters; spaces and punctuation end with the word
        before them.
        """
        ends = np.zeros(len(self.text), dtype=np.float32)
        for word in self.words:
            count = word.end_char - word.first_char
            shares = np.arange(1, count + 1) / count
            ends[word.first_char : word.end_char] = (
                word.start_s + (word.end_s - word.start_s) * shares
            )
        return np.maximum.accumulate(ends)

    def to_bytes(self) -> bytes:
        """The clip as the bytes of an ``.npz`` file with 16-bit samples."""
        times = {
            "text": self.text,
            "rate_hz": self.rate_hz,
            "phones": [(p.symbol, round(p.start_s, 5), round(p.end_s, 5)) for p in self.phones],
            "words": [
                (w.first_char, w.end_char, round(w.start_s, 5), round(w.end_s, 5))
                for w in self.words
            ],
        }
        buffer = io.BytesIO()
        np.savez(buffer, samples=to_pcm(self.samples), times=np.array(json.dumps(times)))
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> Clip:
        """Read what :meth:`to_bytes` wrote."""
        with np.load(io.BytesIO(data)) as arrays:
            times = json.loads(str(arrays["times"]))
            samples = from_pcm(arrays["samples"])
        return cls(
            text=times["text"],
            samples=samples,
            rate_hz=times["rate_hz"],
            phones=tuple(Phone(*phone) for phone in times["phones"]),
            words=tuple(Word(*word) for word in times["words"]),
        )


def to_pcm(samples: np.ndarray) -> np.ndarray:
    """Float ``[n]`` in -1 .. 1 as int16; what is louder is clipped."""
    return np.clip(np.rint(np.asarray(samples) * 32768.0), -32768, 32767).astype(np.int16)


def from_pcm(pcm: np.ndarray) -> np.ndarray:
    """Int16 ``[n]`` as float32 in -1 .. 1."""
    return pcm.astype(np.float32) / 32768.0


def locate_words(text: str, spoken: Iterable[tuple[str, float, float]]) -> tuple[Word, ...]:
    """Find the words a synthesizer reports in the text it was given.

    A word that is not in the text (a number read out, an abbreviation) lengthens the one before it.

    Args:
        text: What was to be said.
        spoken: Per word its spelling, start and end in seconds.
    """
    words: list[Word] = []
    lowered = text.lower()
    position = 0
    for spelling, start_s, end_s in spoken:
        found = re.compile(r"(?<!\w)" + re.escape(spelling.lower())).search(lowered, position)
        if found is None:
            if words:
                words[-1] = replace(words[-1], end_s=end_s)
            continue
        words.append(Word(found.start(), found.end(), start_s, end_s))
        position = found.end()
    return tuple(words)
