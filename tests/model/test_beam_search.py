"""Beam search against an exhaustive search, and its rows against a run of the winner alone."""

from __future__ import annotations

from itertools import product

import pytest
import torch
from torch import Tensor

from model.beam_search import BeamSettings, beam_search
from model.language_model import LanguageModel
from model.state import KVCachePool, Segment
from tests.model.tiny_models import random_embeddings, random_language_model, tiny_config

pytestmark = pytest.mark.unit

VOCAB = 6
END, OTHER_END = 4, 5
PROMPT = random_embeddings(5)


def searched(model: LanguageModel, settings: BeamSettings) -> list[int]:
    pool = model.allocate(settings.n_beams, 32)
    hidden = model(PROMPT, pool, pool.segments([0], [len(PROMPT)]))
    return beam_search(model, model.logits(hidden[-1:])[0], settings, (END, OTHER_END), pool)


def log_probabilities(model: LanguageModel, ids: list[int]) -> Tensor:
    pool = model.allocate(1, 32)
    embeddings = torch.cat([PROMPT, model.embed(torch.tensor(ids, dtype=torch.long))])
    hidden = model(embeddings, pool, pool.segments([0], [len(embeddings)]))
    return model.logits(hidden[len(PROMPT) - 1 :]).log_softmax(-1)


def mean_score(model: LanguageModel, ids: list[int]) -> float:
    scores = log_probabilities(model, ids[:-1])
    return sum(scores[place, token].item() for place, token in enumerate(ids)) / len(ids)


def every_answer(max_tokens: int) -> list[list[int]]:
    words = range(END)
    whole = [
        [*body, end]
        for length in range(max_tokens)
        for body in product(words, repeat=length)
        for end in (END, OTHER_END)
    ]
    return whole + [list(body) for body in product(words, repeat=max_tokens)]


@pytest.mark.parametrize("seed", range(4))
def test_wide_beams_find_the_best_answer_there_is(seed: int) -> None:
    model = random_language_model(tiny_config(vocab_size=VOCAB), seed)
    settings = BeamSettings(n_beams=VOCAB**3, repetition_penalty=1.0, max_tokens=3)
    best = max(every_answer(3), key=lambda ids: mean_score(model, ids))
    found = searched(model, settings)
    # Whichever terminator ended it, the first one is written.
    assert found[:-1] == best[:-1]
    assert found[-1] == (END if best[-1] in (END, OTHER_END) else best[-1])


@pytest.mark.parametrize("seed", range(12))
def test_a_single_beam_is_greedy(seed: int) -> None:
    model = random_language_model(tiny_config(vocab_size=VOCAB), seed)
    found = searched(model, BeamSettings(n_beams=1, repetition_penalty=1.0, max_tokens=8))
    body = found[:-1] if found[-1] == END else found
    scores = log_probabilities(model, body)
    for place, token in enumerate(body):
        words = scores[place].clone()
        words[[END, OTHER_END]] = float("-inf")
        assert words.argmax().item() == token
    if found[-1] == END:
        # An end that was not the best continuation is no answer.
        assert scores[len(body)].argmax().item() in (END, OTHER_END)


def test_answers_stop_at_the_limit() -> None:
    model = random_language_model(tiny_config(vocab_size=VOCAB))
    model.lm_head.weight[[END, OTHER_END]] = 0.0
    found = searched(model, BeamSettings(n_beams=3, repetition_penalty=1.0, max_tokens=7))
    assert len(found) == 7


def test_the_penalty_discourages_repetition() -> None:
    model = random_language_model(tiny_config(vocab_size=VOCAB))
    plain = searched(model, BeamSettings(n_beams=3, repetition_penalty=1.0, max_tokens=12))
    varied = searched(model, BeamSettings(n_beams=3, repetition_penalty=5.0, max_tokens=12))
    assert len(set(varied)) / len(varied) > len(set(plain)) / len(plain)


class ChainModel:
    """Stands in for a language model: what comes next depends on the last token alone."""

    def __init__(self, start: list[float], after: list[list[float]]) -> None:
        """Probabilities of each token, at the start and after each other token; the last ends."""
        self.start = torch.tensor(start).log()
        self.after = torch.tensor([*after, start]).log()

    def embed(self, ids: Tensor) -> Tensor:
        return torch.nn.functional.one_hot(ids, len(self.start)).float()

    def __call__(self, embeddings: Tensor, pool: KVCachePool, segments: list[Segment]) -> Tensor:
        pool.advance(segments)
        return embeddings

    def logits(self, hidden: Tensor) -> Tensor:
        return self.after[hidden.argmax(-1)]

    def searched(self, n_beams: int, max_tokens: int = 6) -> list[int]:
        pool = KVCachePool(n_layers=1, n_rows=n_beams, capacity=16, n_kv_heads=1, head_dim=2)
        settings = BeamSettings(n_beams, repetition_penalty=1.0, max_tokens=max_tokens)
        return beam_search(self, self.start, settings, (len(self.start) - 1,), pool)


def test_more_beams_find_what_greed_walks_past() -> None:
    model = ChainModel([0.45, 0.55, 0.0], [[0.01, 0.01, 0.98], [0.34, 0.33, 0.33]])
    assert model.searched(n_beams=1) == [1, 0, 2]
    assert model.searched(n_beams=2) == [0, 2]


def test_an_end_that_is_not_among_the_best_continuations_is_no_answer() -> None:
    # Two words, each of which may end. The end of the first is the best continuation, that of the
    # second only the third best; were it an answer, the search would be over before the long way,
    # through a choice of ten and then straight on, shows that it is better still.
    end = 13
    start, first, second, choice, straight = ([0.0] * (end + 1) for _ in range(5))
    start[0], start[1] = 0.5, 0.5
    first[end], first[2] = 0.6, 0.4
    second[end], second[2], second[0], second[1] = 0.38, 0.3, 0.16, 0.16
    choice[3:end] = [0.1] * 10
    straight[3] = 1.0
    model = ChainModel(start, [first, second, choice, *[straight] * 10])
    found = model.searched(n_beams=2, max_tokens=12)
    assert len(found) == 12
    assert found[:2] == [0, 2]
