"""Vocabularies learned from the sentences of a domain; the layout is that of every checkpoint."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

from tokenizers import Tokenizer

from model.speech.text import CONTINUATION_PREFIX
from model.tokenizer_building import build_speech_tokenizer, build_text_tokenizer

MAX_SPEECH_PIECE_CHARS = 3
"""Longest piece the speech decoder reads. Frames see ten more tokens per fifty frames: longer
pieces would let it see far ahead, single letters would starve it."""
_EVERYTHING = 1_000_000

Symbols = tuple[str, ...]


def train_text_tokenizer(corpus: Iterable[str], vocab_size: int, folder: Path) -> None:
    """Write the language model's ``tokenizer.json``; arguments as ``build_text_tokenizer``."""
    with TemporaryDirectory() as scratch:
        build_text_tokenizer(vocab_size, Path(scratch))
        definition = (Path(scratch) / "tokenizer.json").read_text(encoding="utf-8")
    # Words as the tokenizer cuts them, as bytes, without a single merge.
    bare = Tokenizer.from_str(json.dumps({**json.loads(definition), "added_tokens": []}))
    words: Counter[Symbols] = Counter()
    for sentence in corpus:
        for text in (sentence, f" {sentence}"):
            normal = bare.normalizer.normalize_str(text)
            words.update(tuple(word) for word, _ in bare.pre_tokenizer.pre_tokenize_str(normal))
    folder.mkdir(parents=True, exist_ok=True)
    build_text_tokenizer(vocab_size, folder, learn_merges(words, vocab_size))


def train_speech_tokenizer(corpus: Iterable[str], vocab_size: int, folder: Path) -> dict[str, int]:
    """Write the speech decoder's ``tokenizer.json``; as ``build_speech_tokenizer``."""
    words: Counter[Symbols] = Counter()
    for sentence in corpus:
        for word in "".join(c if c.isalpha() else " " for c in sentence.lower()).split():
            first, *rest = word
            words[first, *(CONTINUATION_PREFIX + letter for letter in rest)] += 1
    merges = learn_merges(words, vocab_size, MAX_SPEECH_PIECE_CHARS)
    return build_speech_tokenizer(vocab_size, folder, [join(*merge) for merge in merges])


def learn_merges(
    words: Mapping[Symbols, int], count: int, max_chars: int = _EVERYTHING
) -> list[tuple[str, str]]:
    """Byte-pair encoding: the pair that occurs most often is joined, over and over.

    Args:
        words: Symbols of each word, and how often it occurs.
        count: Merges at most.
        max_chars: Longest result, without the mark of continuation.

    Returns:
        Merges in order; fewer where every pair is used up. Ties go to the pair first in the
        alphabet, so the result depends on the words alone.
    """
    left = {symbols: n for symbols, n in words.items() if len(symbols) > 1}
    merges: list[tuple[str, str]] = []
    while len(merges) < count:
        pairs: Counter[tuple[str, str]] = Counter()
        for symbols, n in left.items():
            for pair in pairwise(symbols):
                if len(join(*pair).removeprefix(CONTINUATION_PREFIX)) <= max_chars:
                    pairs[pair] += n
        if not pairs:
            break
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        merges.append(best)
        merged: Counter[Symbols] = Counter()
        for symbols, n in left.items():
            merged[apply_merge(symbols, best)] += n
        left = {symbols: n for symbols, n in merged.items() if len(symbols) > 1}
    return merges


def apply_merge(symbols: Symbols, merge: tuple[str, str]) -> Symbols:
    """``symbols`` with every occurrence of the pair joined, from the left."""
    if merge[0] not in symbols:
        return symbols
    joined: list[str] = []
    position = 0
    while position < len(symbols):
        if symbols[position : position + 2] == merge:
            joined.append(join(*merge))
            position += 2
        else:
            joined.append(symbols[position])
            position += 1
    return tuple(joined)


def join(left: str, right: str) -> str:
    """Two neighbouring symbols as one."""
    return left + right.removeprefix(CONTINUATION_PREFIX)
