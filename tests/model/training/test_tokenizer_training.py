"""Vocabularies of a domain are smaller per sentence and keep the layout."""

from __future__ import annotations

from pathlib import Path

import pytest

from model.checkpoint_shapes import POCKET
from model.speech.text import SpeechTokenizer
from model.tokenizer import TextTokenizer
from model.tokenizer_building import build_speech_tokenizer, build_text_tokenizer
from model.training.tokenizer_training import (
    apply_merge,
    learn_merges,
    train_speech_tokenizer,
    train_text_tokenizer,
)

pytestmark = pytest.mark.unit

CORPUS = [
    "what colour is the circle?",
    "the circle on the left is red.",
    "which colour did I show first?",
    "two and three is five.",
    "I can see three green squares and a small blue triangle.",
]


def test_the_most_frequent_pair_is_joined_first_and_ties_go_by_the_alphabet() -> None:
    words = {("a", "b", "c"): 2, ("b", "c"): 1, ("x", "y"): 3}
    assert learn_merges(words, 10) == [("b", "c"), ("x", "y"), ("a", "bc")]
    assert learn_merges(words, 1) == [("b", "c")]
    assert learn_merges(words, 10, max_chars=2) == [("b", "c"), ("x", "y")]


def test_joined_pieces_keep_their_mark_of_continuation() -> None:
    assert apply_merge(("t", "##h", "##e", "##h", "##e"), ("##h", "##e")) == ("t", "##he", "##he")
    assert apply_merge(("t", "##h"), ("t", "##h")) == ("th",)


def test_text_of_the_domain_takes_fewer_tokens_and_comes_back(tmp_path: Path) -> None:
    size = POCKET.language.vocab_size
    train_text_tokenizer(CORPUS, size, tmp_path / "learned")
    (tmp_path / "letters").mkdir()
    build_text_tokenizer(size, tmp_path / "letters")
    learned = TextTokenizer.from_folder(tmp_path / "learned")
    letters = TextTokenizer.from_folder(tmp_path / "letters")
    assert learned.vocab_size == letters.vocab_size == size
    assert learned.im_end == letters.im_end
    for sentence in [*CORPUS, "Something ELSE: 42 übergroß!"]:
        assert learned.decode(learned.encode_foreign(sentence)) == sentence
    n_learned, n_letters = (
        sum(len(tokenizer.encode_foreign(sentence)) for sentence in CORPUS)
        for tokenizer in (learned, letters)
    )
    n_words = sum(len(sentence.split()) for sentence in CORPUS)
    assert n_learned < n_letters * 0.7 and n_learned < 1.3 * n_words


def test_speech_pieces_are_short_and_all_letters_are_there(tmp_path: Path) -> None:
    size = POCKET.speech.num_text_tokens
    ids = train_speech_tokenizer(CORPUS, size, tmp_path / "learned")
    other_ids = build_speech_tokenizer(size, tmp_path / "letters")
    assert len(ids) == len(other_ids) == size
    assert ids["[Ptts]"] == other_ids["[Ptts]"]
    learned, letters = (
        SpeechTokenizer.from_folder(tmp_path / name, POCKET.speech)
        for name in ("learned", "letters")
    )
    assert len(learned.encode("the green triangle")) < len(letters.encode("the green triangle"))
    assert learned.decode(learned.encode("quick zebra")) == "quick zebra"
    per_token = sum(len(s) for s in CORPUS) / sum(len(learned.encode(s)) for s in CORPUS)
    assert 1.8 < per_token < 3.2
