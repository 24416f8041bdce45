"""Many ways to say one thing, written as short patterns.

``(a|b)`` is a choice, ``[a]`` may be left out, ``{name}`` is a slot filled later.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cached_property
from itertools import product
from random import Random

_TOKEN = re.compile(r"[()\[\]|]|[^()\[\]|]+")


class PatternError(ValueError):
    """A pattern's brackets do not match."""


def expand(pattern: str) -> list[str]:
    """All sentences of a pattern, slots left open, in a fixed order and without repeats.

    Raises:
        PatternError: A bracket is not closed or not opened.
    """
    tokens = _TOKEN.findall(pattern)
    sentences, used = _choices(tokens, 0)
    if used != len(tokens):
        raise PatternError(f"unmatched {tokens[used]!r} in {pattern!r}")
    return list(dict.fromkeys(" ".join(sentence.split()) for sentence in sentences))


def _choices(tokens: list[str], index: int) -> tuple[list[str], int]:
    """Alternatives up to the closing bracket or the end, and the index of that bracket."""
    alternatives: list[str] = []
    parts: list[list[str]] = []
    while index < len(tokens) and tokens[index] not in ")]":
        token = tokens[index]
        if token == "|":
            alternatives += _joined(parts)
            parts = []
        elif token in "([":
            inner, index = _choices(tokens, index + 1)
            closing = ")" if token == "(" else "]"
            if index >= len(tokens) or tokens[index] != closing:
                raise PatternError(f"{token!r} is not closed in {''.join(tokens)!r}")
            parts.append(inner if token == "(" else ["", *inner])
        else:
            parts.append([token])
        index += 1
    return alternatives + _joined(parts), index


def _joined(parts: list[list[str]]) -> list[str]:
    return ["".join(combination) for combination in product(*parts)]


class Phrasings:
    """The ways to say one thing."""

    def __init__(self, *patterns: str) -> None:
        self.patterns = patterns
        """As written."""

    @cached_property
    def by_pattern(self) -> tuple[tuple[str, ...], ...]:
        """Sentences with open slots, per pattern."""
        return tuple(tuple(expand(pattern)) for pattern in self.patterns)

    @cached_property
    def sentences(self) -> tuple[str, ...]:
        """All sentences with open slots, without repeats."""
        return tuple(dict.fromkeys(s for group in self.by_pattern for s in group))

    def draw(self, rng: Random, slots: Mapping[str, str] | None = None) -> str:
        """A sentence; patterns are equally likely, however many sentences each has."""
        return rng.choice(rng.choice(self.by_pattern)).format_map(slots or {})
