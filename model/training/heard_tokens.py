"""When each token of a text is heard: what ties the language model's words to the sound of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from model.tokenizer import TextTokenizer


def token_characters(tokenizer: TextTokenizer, tokens: Sequence[int]) -> list[tuple[int, int]]:
    """The first character of each token of a text, and the one behind its last.

    A character of several bytes may be cut; it then belongs to the token that ends it.
    """
    stops = [len(tokenizer.decode(tokens[: index + 1])) for index in range(len(tokens))]
    return list(zip([0, *stops], stops, strict=False))


def token_times_s(
    tokenizer: TextTokenizer, tokens: Sequence[int], heard_s: np.ndarray
) -> np.ndarray:
    """When each token begins and ends.

    Args:
        tokenizer: Of the language model.
        tokens: Of a text, at least one character long.
        heard_s: Float ``[len(text), 2]``: when each character begins and ends.

    Returns:
        Float32 ``[len(tokens), 2]``.
    """
    times = np.zeros((len(tokens), 2), dtype=np.float32)
    last = len(heard_s) - 1
    for index, (start, stop) in enumerate(token_characters(tokenizer, tokens)):
        times[index] = heard_s[min(start, last), 0], heard_s[min(max(stop - 1, 0), last), 1]
    return times


def token_targets(
    tokens: Sequence[int], times_s: np.ndarray, at_s: np.ndarray, nothing: int
) -> np.ndarray:
    """Which token sounds at each moment.

    Args:
        tokens: In the order in which they are heard.
        times_s: ``[len(tokens), 2]`` of :func:`token_times_s`.
        at_s: ``[F]`` moments.
        nothing: What stands where no token sounds.

    Returns:
        Int64 ``[F]``.
    """
    targets = np.full(len(at_s), nothing, dtype=np.int64)
    for token, (begins_s, ends_s) in zip(tokens, times_s, strict=True):
        targets[(at_s >= begins_s) & (at_s < ends_s)] = token
    return targets
