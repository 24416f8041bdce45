"""Spoken sentences as people type them."""

from __future__ import annotations

import re
from random import Random

from model.training.domain.exchange import Exchange
from model.training.domain.numbers import word_of

_DIGITS = {word_of(number): str(number) for number in range(21)}
_SIGNS = {"plus": "+", "minus": "-"}
_NAMES = re.compile(
    r"\b(i|pocket|monday|tuesday|wednesday|thursday|friday|saturday|sunday|january|february|april"
    r"|june|july|august|september|october|november|december)\b"
)


def typed(exchange: Exchange, rng: Random) -> str:
    """A writing of the question: with or without capitals, stops, digits, American spelling.

    :func:`~model.training.domain.exchange.normal` of it is the question again.
    """
    text = exchange.question
    if not text:
        return ""
    if rng.random() < 0.3:
        text = " ".join(_DIGITS.get(word, word) for word in text.split())
        if rng.random() < 0.5:
            text = re.sub(r"(?<=\d) (plus|minus) (?=\d)", lambda m: f" {_SIGNS[m[1]]} ", text)
    if rng.random() < 0.2:
        text = re.sub(r"\bcolour", "color", text)
    if rng.random() < 0.25:
        return text
    text = _NAMES.sub(lambda name: name[0].capitalize(), text)
    text = text[0].upper() + text[1:]
    if rng.random() < 0.85:
        text += "?" if exchange.is_question else "."
    return text
