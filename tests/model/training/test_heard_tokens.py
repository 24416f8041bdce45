"""Tokens have the times of their characters, moments the tokens that sound then."""

from __future__ import annotations

import numpy as np
import pytest

from model.training.heard_tokens import token_characters, token_targets, token_times_s
from tests.model.training.tiny_training import fresh_model

pytestmark = pytest.mark.unit

TEXT = "what is it"


def character_times() -> np.ndarray:
    """A tenth of a second each, from 1 s on."""
    begins_s = 1.0 + 0.1 * np.arange(len(TEXT))
    return np.stack([begins_s, begins_s + 0.1], axis=1).astype(np.float32)


def test_tokens_cover_the_time_of_their_characters_without_gaps() -> None:
    tokenizer = fresh_model().tokenizer
    tokens = tokenizer.encode_foreign(TEXT)
    times_s = token_times_s(tokenizer, tokens, character_times())
    assert times_s[0, 0] == pytest.approx(1.0) and times_s[-1, 1] == pytest.approx(2.0)
    np.testing.assert_allclose(times_s[1:, 0], times_s[:-1, 1], atol=1e-6)
    lengths = np.round(10 * (times_s[:, 1] - times_s[:, 0])).astype(int).tolist()
    assert lengths == [len(tokenizer.decode([token])) for token in tokens]


def test_tokens_follow_each_other_through_the_text() -> None:
    tokenizer = fresh_model().tokenizer
    tokens = tokenizer.encode_foreign(TEXT)
    pieces = [TEXT[start:stop] for start, stop in token_characters(tokenizer, tokens)]
    assert pieces == [tokenizer.decode([token]) for token in tokens]


def test_a_moment_has_the_token_that_sounds_in_it() -> None:
    times_s = np.array([[0.1, 0.3], [0.3, 0.5]])
    at_s = np.array([0.0, 0.1, 0.29, 0.3, 0.5])
    assert token_targets([7, 9], times_s, at_s, nothing=50).tolist() == [50, 7, 7, 9, 50]
