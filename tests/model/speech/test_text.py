"""The speech tokenizer, numbers read aloud, ends of sentences."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.config import ConfigError, SpeechConfig
from model.speech.text import SpeechTokenizer, detect_language, read_numbers, sentence_end
from tests.model.speech.scripted_speech import GOLDEN, tiny_config, tiny_tokenizer

pytestmark = pytest.mark.unit

ALPHABET = "aeHlo .,!*?\n你好23é\u0301\u200b[]-😀"


def test_control_tokens_spelled_out_in_a_text_are_read_as_text() -> None:
    tokenizer = tiny_tokenizer()
    assert tokenizer.end_id not in tokenizer.encode("hello [Etts] again")
    assert tokenizer.encode("[Etts]", control_tokens=True) == [tokenizer.end_id]


def test_text_is_lower_cased_and_cut_into_word_pieces() -> None:
    tokenizer = tiny_tokenizer()
    pieces = tokenizer.pieces("Hello 你好, ab")
    assert [piece.starts_word for piece in pieces] == [True, True, True, True, True, False]
    assert tokenizer.decode([piece.id for piece in pieces]) == "hello 你 好, ab"


@pytest.mark.parametrize(
    ("text", "n_settled"),
    [("hello", 0), ("hello ", 1), ("hello,", 2), ("你", 1), ("hello you", 1), ("  ", 0), ("", 0)],
)
def test_only_an_open_last_word_is_unsettled(text: str, n_settled: int) -> None:
    assert len(tiny_tokenizer().settled_pieces(text)) == n_settled


@given(st.text(ALPHABET, max_size=20), st.text(ALPHABET, max_size=20))
@settings(deadline=None, max_examples=200)
def test_settled_pieces_survive_any_continuation(text: str, more: str) -> None:
    settled = tiny_tokenizer().settled_pieces(text)
    assert tiny_tokenizer().pieces(text + more)[: len(settled)] == settled


@pytest.mark.parametrize(
    ("text", "language", "read"),
    [
        ("call 911", "en", "call nine one one"),
        ("2024年", "zh", "二零二四年"),
        ("３ or ٤", "en", "three or four"),
        ("x²", "en", "x²"),
        ("", "zh", ""),
    ],
)
def test_numbers_are_read_digit_by_digit(text: str, language: str, read: str) -> None:
    assert read_numbers(text, language) == read


def test_language_is_chinese_unless_latin_letters_prevail() -> None:
    assert [detect_language(text) for text in ("", "ab你", "a你", "é")] == ["zh", "en", "zh", "zh"]


@pytest.mark.parametrize(
    ("text", "mark"), [("Yes. No", "."), ("1. Yes!", "!"), ("3.5", ""), ("好！。", "。"), ("a", "")]
)
def test_sentence_ends_are_found_in_the_order_of_the_reference(text: str, mark: str) -> None:
    assert sentence_end(text) == mark


def test_missing_tokenizer_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no readable tokenizer"):
        SpeechTokenizer.from_folder(tmp_path, SpeechConfig())


def test_damaged_tokenizer_is_refused(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text("{", encoding="utf-8")
    with pytest.raises(ConfigError, match="JSON"):
        SpeechTokenizer.from_folder(tmp_path, SpeechConfig())


def test_tokenizer_of_another_model_is_refused() -> None:
    with pytest.raises(ConfigError, match="Stts"):
        SpeechTokenizer.from_folder(GOLDEN, tiny_config().speech)
