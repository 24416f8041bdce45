"""Tokenizers of checkpoints made here."""

from __future__ import annotations

from pathlib import Path

import pytest
from tokenizers import Tokenizer

from model.tokenizer_building import (
    CHATTTS_TOKENS,
    OMNI_TOKENS,
    QWEN_TOKENS,
    build_speech_tokenizer,
    build_text_tokenizer,
)

pytestmark = pytest.mark.unit


@pytest.mark.parametrize("vocab_size", [512, 1024, 4096])
def test_a_text_vocabulary_has_the_size_asked_for_and_loses_no_text(
    vocab_size: int, tmp_path: Path
) -> None:
    build_text_tokenizer(vocab_size, tmp_path)
    tokenizer = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    assert tokenizer.get_vocab_size() == vocab_size
    text = "Hello, 你好! 12 “quotes”\n\tand  spaces"
    assert tokenizer.decode(tokenizer.encode(text, add_special_tokens=False).ids) == text


def test_special_tokens_are_whole_and_at_the_end(tmp_path: Path) -> None:
    build_text_tokenizer(1024, tmp_path)
    tokenizer = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    specials = [*QWEN_TOKENS, *OMNI_TOKENS]
    ids = tokenizer.encode("".join(specials), add_special_tokens=False).ids
    assert ids == list(range(1024 - len(specials), 1024))


@pytest.mark.parametrize("vocab_size", [300, 100_000])
def test_impossible_text_sizes_are_refused(vocab_size: int, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="cannot build a text vocabulary"):
        build_text_tokenizer(vocab_size, tmp_path)


@pytest.mark.parametrize("vocab_size", [256, 512, 1024])
def test_a_speech_vocabulary_names_its_special_ids(vocab_size: int, tmp_path: Path) -> None:
    ids = build_speech_tokenizer(vocab_size, tmp_path)
    assert len(ids) == vocab_size
    assert [ids[name] for name in CHATTTS_TOKENS] == list(
        range(vocab_size - len(CHATTTS_TOKENS), vocab_size)
    )
    tokenizer = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    encoded = tokenizer.encode("[Stts][spk_emb]Hello there![Etts]", add_special_tokens=False)
    assert encoded.tokens[:2] == ["[Stts]", "[spk_emb]"]
    assert "[UNK]" not in encoded.tokens


@pytest.mark.parametrize("vocab_size", [100, 5000])
def test_impossible_speech_sizes_are_refused(vocab_size: int, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="cannot build a speech vocabulary"):
        build_speech_tokenizer(vocab_size, tmp_path)
