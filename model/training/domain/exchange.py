"""A question with its right answers, and the split of sentences into training and evaluation."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from random import Random
from typing import Literal

from model.training.domain.numbers import word_of
from model.training.scenes.scene import Scene

SoundKind = Literal["silence", "beep", "knock", "tone"]
SOUNDS: tuple[SoundKind, ...] = ("silence", "beep", "knock", "tone")

EVAL_SHARE = 5
"""One sentence of this many is kept for the evaluation."""


_WORD = re.compile(r"[a-z]+(?:'[a-z]+)?")


class Split(Enum):
    """Which half of all sentences, scenes and looks a sample may use."""

    TRAIN = "train"
    """For learning."""
    EVAL = "eval"
    """Never learnt from."""


@lru_cache(maxsize=1 << 16)
def normal(text: str) -> str:
    """Words only: lower case, no punctuation, digits as words, one spelling of colour."""
    text = text.lower().replace("’", "'")
    if any(char.isdigit() for char in text):
        text = re.sub(r"(\d+)\s*\+", r"\1 plus ", text)
        text = re.sub(r"(\d+)\s*[-−]\s*(?=\d)", r"\1 minus ", text)
        text = re.sub(r"\d+", lambda digits: f" {word_of(int(digits[0]))} ", text)
    if "color" in text:
        text = re.sub(r"\bcolor(s|ed)?\b", r"colour\1", text)
    return " ".join(_WORD.findall(text))


@lru_cache(maxsize=1 << 16)
def split_of(sentence: str) -> Split:
    """Where a sentence belongs; the same for every writing of it."""
    digest = hashlib.sha256(normal(sentence).encode()).digest()
    return Split.EVAL if digest[0] % EVAL_SHARE == 0 else Split.TRAIN


@dataclass(frozen=True, slots=True)
class SceneNeed:
    """What has to be shown for a question to have its answer."""

    scene: Scene
    """In view while the question is asked."""
    before: tuple[Scene, ...] = ()
    """In view earlier in the same turn, one per second, oldest first."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """One question or remark and what pocket should say to it."""

    question: str
    """Spoken words in lower case without punctuation; empty where only a sound is heard."""
    answers: tuple[str, ...]
    """Every right answer, as written text; the first is the plainest, see :attr:`reply`."""
    answer: str
    """One of ``answers``, drawn: voices learn to say all of them."""
    intent: str
    """Name of its intent."""
    topic: str
    """What it was about, as one would say it: ``colours``."""
    needs: SceneNeed | None = None
    """What is shown; None where no picture matters."""
    heard: SoundKind | None = None
    """A sound in the second before the question, or all there is."""
    speech_rate: float = 1.0
    """How fast the answer is spoken, relative to normal."""
    split_key: str = ""
    """What decides the split; the question itself where empty."""
    is_question: bool = True
    """Whether its typed form ends in a question mark."""

    @property
    def reply(self) -> str:
        """The answer that is learnt for this question.

        The same question is always answered in the same words: were the wording left to chance,
        most of what a small model could still get wrong would be chance.
        """
        return self.answers[0]

    @property
    def split(self) -> Split:
        """Whether it is for training or for the evaluation."""
        return split_of(self.split_key or self.question)


History = Sequence[Exchange]
"""A call's exchanges so far, oldest first."""


def is_right(answer: str, exchange: Exchange) -> bool:
    """Whether ``answer`` says one of the right answers, word for word; writing does not matter."""
    said = normal(answer)
    return any(said == normal(right) for right in exchange.answers)


def answered(
    rng: Random,
    question: str,
    answers: Iterable[str],
    *,
    intent: str,
    topic: str,
    needs: SceneNeed | None = None,
    heard: SoundKind | None = None,
    speech_rate: float = 1.0,
    split_key: str = "",
    is_question: bool = True,
) -> Exchange:
    """An exchange with these right answers, the plainest first."""
    right = tuple(dict.fromkeys(answers))
    return Exchange(
        question=normal(question),
        answers=right,
        answer=rng.choice(right),
        intent=intent,
        topic=topic,
        needs=needs,
        heard=heard,
        speech_rate=speech_rate,
        split_key=split_key,
        is_question=is_question,
    )
